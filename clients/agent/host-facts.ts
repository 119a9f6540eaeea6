import { arch, hostname, platform } from 'node:os';
import type * as z from 'zod';
import type { heartbeat } from '#contract/agent-protocol.ts';
import manifest from '../../package.json' with { type: 'json' };
import { targetTypes } from '#connectors/targets/registry.ts';

const { version } = manifest;
export const agentVersion: string = version;

/** What an agent says of its host. @param address of the socket to the platform */
export function hostFacts(address: string | null): z.input<typeof heartbeat.body> {
  return {
    hostname: hostname(),
    os: platform(),
    architecture: arch(),
    version,
    ip_address: address,
    capabilities: [...targetTypes(), 'inspection', 'quorum'],
    clock: new Date().toISOString(),
  };
}
