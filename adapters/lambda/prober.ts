import { isIPv6 } from 'node:net';
import { probeResult, type Probe, type ProbeResult } from '#domain/probe/probe.ts';
import { invoker } from './invoke.ts';

/**
 * Asks the prober; where there is one for IPv6, it is asked about what only IPv6 reaches.
 *
 * @throws when it does not answer or answers something else
 */
export function prober(functionName: string, ipv6FunctionName?: string): (probe: Probe) => Promise<ProbeResult> {
  const ask = (name: string) => invoker(name, probeResult, { timeoutMs: 45_000, maxAnswerBytes: 16_384 });
  const overIpv4 = ask(functionName);
  if (ipv6FunctionName === undefined) return overIpv4;
  const overIpv6 = ask(ipv6FunctionName);
  return async (probe) => {
    if (probe.identifier.type === 'ip' && isIPv6(probe.identifier.value)) return overIpv6(probe);
    const result = await overIpv4(probe);
    return !result.ok && result.onlyIpv6 === true ? overIpv6(probe) : result;
  };
}
