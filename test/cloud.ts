import { randomUUID } from 'node:crypto';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { SQSClient } from '@aws-sdk/client-sqs';
import { gates, type Gates } from '#adapters/dynamodb/gates.ts';
import { hostOf, type LoopName } from '#domain/schedule/loops.ts';
import { until, type Platform } from './platform.ts';

const settings = (platform: Platform) => ({
  endpoint: platform.instance.endpoint,
  region: 'us-east-1',
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
});

/** Runs a deployed function with an event, as its trigger would. */
export async function invoke(
  platform: Platform,
  name: string,
  event: object,
): Promise<{ readonly answer: unknown; readonly error?: string }> {
  const FunctionName = platform.instance.functions[name];
  if (FunctionName === undefined) throw new Error(`no function ${name}`);
  const lambda = new LambdaClient({ ...settings(platform), maxAttempts: 1 });
  const { Payload, FunctionError } = await lambda.send(new InvokeCommand({ FunctionName, Payload: Buffer.from(JSON.stringify(event)) }));
  const text = Buffer.from(Payload ?? '').toString();
  return { answer: text === '' ? undefined : (JSON.parse(text) as unknown), ...(FunctionError !== undefined && { error: FunctionError }) };
}

/** Runs a loop's function by hand to its end, as soon as no other run holds its lease: one that the schedule began may have looked before. */
export async function runToEnd(platform: Platform, loop: LoopName): Promise<void> {
  const { function: name } = hostOf(loop);
  await until(`${loop} is free, and has run`, async () => {
    const { answer } = await invoke(platform, name, { loop, run: `test-${randomUUID()}` });
    return (answer as { outcome?: string } | undefined)?.outcome === 'lease_held' ? undefined : true;
  });
}

export function dynamodbOf(platform: Platform): DynamoDBClient {
  return new DynamoDBClient(settings(platform));
}

export function sqsOf(platform: Platform): SQSClient {
  return new SQSClient(settings(platform));
}

/** The loops' gates as the functions see them. */
export function gatesOf(platform: Platform): Gates {
  return gates(dynamodbOf(platform), stateTable(platform));
}

export function stateTable(platform: Platform): string {
  const name = platform.instance.tables.find((table) => table.startsWith('State'));
  if (name === undefined) throw new Error('no state table');
  return name;
}

/** URL of the queue whose logical name begins so. */
export function queueUrl(platform: Platform, name: string): string {
  const url = platform.instance.queues.find((candidate) => new RegExp(`/${name}[A-F0-9]{8}$`).test(candidate));
  if (url === undefined) throw new Error(`no queue ${name}`);
  return url;
}
