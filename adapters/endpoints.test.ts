import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import dns from 'node:dns';
import { afterEach, expect, test, vi } from 'vitest';
import { dynamodbClient } from './dynamodb/client.ts';
import { envelope } from './kms/envelope.ts';
import { starter } from './lambda/starter.ts';
import { readDatabaseSecret } from './postgres/secret.ts';
import { artifacts } from './s3/artifacts.ts';
import { jobQueue } from './sqs/job-queue.ts';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

const region = 'eu-central-1';
const account = '111122223333';

/** Runs what a function runs and returns the one host that it looks up; nothing is connected to. */
async function hostAsked(call: () => Promise<unknown>, environment: Readonly<Record<string, string>>): Promise<string> {
  const variables = { AWS_REGION: region, AWS_ACCESS_KEY_ID: 'none', AWS_SECRET_ACCESS_KEY: 'none', ...environment };
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  const asked = new Set<string>();
  vi.spyOn(dns, 'lookup').mockImplementation(((host: string, _: unknown, done: (error: Error) => void) => {
    asked.add(host);
    done(Object.assign(new Error('no network'), { code: 'ENOTFOUND' }));
  }) as unknown as typeof dns.lookup);
  await call().catch(() => undefined);
  expect(asked.size).toBe(1);
  return [...asked][0] ?? '';
}

const calls: Readonly<Record<string, () => Promise<unknown>>> = {
  kms: () => envelope(`arn:aws:kms:${region}:${account}:key/k`).seal(Buffer.from('key'), 'context'),
  sqs: () => jobQueue(`https://sqs.${region}.amazonaws.com/${account}/Jobs`).sendOn([{ jobId: 'job' }], 0),
  'sqs batch': () => jobQueue(`https://sqs.${region}.amazonaws.com/${account}/Jobs`).sendAll([{ jobId: 'job' }]),
  lambda: () => starter({ loop: 'function' })('loop', {}),
  secretsmanager: () => readDatabaseSecret(`arn:aws:secretsmanager:${region}:${account}:secret:db-AbCdEf`),
  dynamodb: () => dynamodbClient(1000, 1).send(new GetItemCommand({ TableName: 'State', Key: { pk: { S: 'x' } } })),
  s3: () => artifacts('crls', false).get('crl/issuing-1.crl'),
};

// The subnets have IPv6 to everywhere, and IPv4 to what the gateway endpoints reach: DynamoDB and S3.
test.each([
  ['kms', `kms.${region}.api.aws`],
  ['sqs', `sqs.${region}.api.aws`],
  ['sqs batch', `sqs.${region}.api.aws`],
  ['lambda', `lambda.${region}.api.aws`],
  // This name has both kinds of addresses.
  ['secretsmanager', `secretsmanager.${region}.amazonaws.com`],
  ['dynamodb', `dynamodb.${region}.amazonaws.com`],
  ['s3', `crls.s3.${region}.amazonaws.com`],
])('from a dual-stack subnet %s is asked at %s', async (service, host) => {
  expect(await hostAsked(calls[service]!, { AWS_USE_DUALSTACK_ENDPOINT: 'true' })).toBe(host);
});
