import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';

/** @returns what starts a function, by its name in the cloud, without waiting for its end */
export function eventSender(): (functionName: string, event: object) => Promise<void> {
  const client = new LambdaClient({ maxAttempts: 2 });
  return async (functionName, event) => {
    await client.send(
      new InvokeCommand({ FunctionName: functionName, InvocationType: 'Event', Payload: Buffer.from(JSON.stringify(event)) }),
    );
  };
}
