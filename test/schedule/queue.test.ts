import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { jobQueue, type Hint } from '#adapters/sqs/job-queue.ts';
import { AwsError } from '#infra/local/cloud/aws-error.ts';
import { listen, type Endpoint, type Services } from '#infra/local/cloud/endpoint.ts';
import { sqs } from '#infra/local/cloud/sqs.ts';

const name = 'jobs';
const url = `https://sqs.eu-central-1.amazonaws.com/111122223333/${name}`;
let queue: ReturnType<typeof sqs>;
let calls = 0;
let refused: string | undefined;
let endpoint: Endpoint;

const unused = (): never => {
  throw new AwsError('UnknownOperationException', 'only the queue is asked');
};

beforeAll(async () => {
  const services: Services = {
    dynamodb: unused,
    kms: unused,
    s3: unused,
    invoke: unused,
    answered: unused,
    sqs(operation, input) {
      calls += 1;
      if (refused !== undefined && JSON.stringify(input).includes(refused)) throw new AwsError('RequestThrottled', 'too many', 400);
      return queue.handle(operation, input);
    },
  };
  endpoint = await listen(services, 0);
  const variables = {
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'none',
    AWS_SECRET_ACCESS_KEY: 'none',
    AWS_ENDPOINT_URL: endpoint.url,
  };
  for (const [variable, value] of Object.entries(variables)) vi.stubEnv(variable, value);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await endpoint.close();
});
beforeEach(() => {
  calls = 0;
  refused = undefined;
  queue = sqs([{ name, url, visibilitySeconds: 360, deadLetter: undefined }], [], () => Promise.resolve(null));
});

/** What lies in the queue, message by message. */
function received(): readonly (readonly Hint[])[] {
  const { Messages } = queue.handle('ReceiveMessage', { QueueUrl: url, MaxNumberOfMessages: 10_000 }) as { Messages: { Body: string }[] };
  return Messages.map(({ Body }) => JSON.parse(Body) as Hint | { readonly hints: readonly Hint[] }).map((body) =>
    'hints' in body ? body.hints : [body],
  );
}

const hintsOf = (count: number): readonly Hint[] => Array.from({ length: count }, (_, index) => ({ jobId: `job-${index}` }));

test.each([
  ['one', 1, 1, 1],
  ['as few as workers could do at once', 100, 100, 10],
  ['a page of a thousand', 1000, 200, 20],
])('%s: each hint is sent once, several to a message only where no worker would stand idle', async (_, count, messages, requests) => {
  expect(await jobQueue(url).sendAll(hintsOf(count))).toBe(0);
  const lying = received();
  expect([lying.length, calls]).toEqual([messages, requests]);
  expect(lying.flat()).toEqual(expect.arrayContaining([...hintsOf(count)]));
  expect(lying.flat()).toHaveLength(count);
});

test('a call that is refused at each try loses its own hints alone, and they are counted', async () => {
  refused = 'job-117';
  // Five hints to a message, ten messages to a call.
  expect(await jobQueue(url).sendAll(hintsOf(500))).toBe(50);
  const left = received().flat();
  expect(left).toHaveLength(450);
  expect(left).not.toContainEqual({ jobId: 'job-117' });
});

test('what goes on by itself waits no longer than a queue can', async () => {
  await jobQueue(url).sendOn([{ jobId: 'job-later' }], 5000);
  expect(received()).toEqual([]);
  expect(queue.depth(name)).toBe(1);
});
