import { probeResult, type Probe, type ProbeResult } from '#domain/probe/probe.ts';
import { invoker } from './invoke.ts';

/** Asks the prober. @throws when it does not answer or answers something else */
export function prober(functionName: string): (probe: Probe) => Promise<ProbeResult> {
  return invoker(functionName, probeResult, { timeoutMs: 45_000, maxAnswerBytes: 16_384 });
}
