import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { CaError } from '#domain/error.ts';

/**
 * Starts functions without waiting for their end.
 *
 * @param names the function's name in the tree → its name in the cloud
 * @throws {CaError} `internal` for a function that is not among them
 */
export function starter(names: Readonly<Record<string, string>>): (functionName: string, event: object) => Promise<void> {
  const client = new LambdaClient({ maxAttempts: 2 });
  return async (functionName, event) => {
    const FunctionName = names[functionName];
    if (FunctionName === undefined) throw new CaError('internal', `no function ${functionName}`);
    await client.send(new InvokeCommand({ FunctionName, InvocationType: 'Event', Payload: Buffer.from(JSON.stringify(event)) }));
  };
}
