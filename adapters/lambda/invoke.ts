import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type * as z from 'zod';

/**
 * Calls another function and parses its answer as hostile.
 *
 * @param maxAnswerBytes longer answers are refused
 * @throws when it does not answer, fails, or answers something else
 */
export function invoker<Answer extends z.ZodType>(
  functionName: string,
  answer: Answer,
  options: { readonly timeoutMs: number; readonly maxAnswerBytes: number },
): (call: object) => Promise<z.output<Answer>> {
  const client = new LambdaClient({
    maxAttempts: 1,
    requestHandler: new NodeHttpHandler({ connectionTimeout: 5000, requestTimeout: options.timeoutMs }),
  });
  return async (call) => {
    const given = await client.send(new InvokeCommand({ FunctionName: functionName, Payload: Buffer.from(JSON.stringify(call)) }));
    if (given.FunctionError !== undefined || given.Payload === undefined)
      throw new Error(`the function failed: ${given.FunctionError ?? 'no answer'}`);
    if (given.Payload.length > options.maxAnswerBytes) throw new Error('the function answered too much');
    return answer.parse(JSON.parse(Buffer.from(given.Payload).toString()));
  };
}
