import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { probeResult, type Probe, type ProbeResult } from '#domain/probe/probe.ts';

const maxAnswerBytes = 16_384;

/** Asks the prober, whose answers are parsed as hostile. @throws when it does not answer or answers something else */
export function prober(functionName: string): (probe: Probe) => Promise<ProbeResult> {
  const client = new LambdaClient({
    maxAttempts: 1,
    requestHandler: new NodeHttpHandler({ connectionTimeout: 5000, requestTimeout: 45_000 }),
  });
  return async (probe) => {
    const answer = await client.send(new InvokeCommand({ FunctionName: functionName, Payload: Buffer.from(JSON.stringify(probe)) }));
    if (answer.FunctionError !== undefined || answer.Payload === undefined)
      throw new Error(`the prober failed: ${answer.FunctionError ?? 'no answer'}`);
    if (answer.Payload.length > maxAnswerBytes) throw new Error('the prober answered too much');
    return probeResult.parse(JSON.parse(Buffer.from(answer.Payload).toString()));
  };
}
