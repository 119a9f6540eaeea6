import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { enrolAgent } from '#contract/agent-protocol.ts';
import { UsageError } from '../http/usage-error.ts';
import { hostFacts } from './host-facts.ts';
import { newIdentityKey, readIdentity, writeIdentity, type Identity } from './identity.ts';
import { connectPlatform } from './platform.ts';
import type { AgentSettings } from './settings.ts';

/**
 * Makes this host an agent: a new key, proven to the platform, and an identity file that a later start needs nothing beside.
 *
 * @param again also over an identity that is there, as a token that names this agent allows
 * @throws {UsageError}
 * @throws {ApiProblem} when the platform refuses
 */
export async function enrol(settings: AgentSettings, token: string, again: boolean): Promise<Identity> {
  if (settings.server === undefined)
    throw new UsageError('say where the platform is: --server https://…, CERTCTL_SERVER_URL, or server in the settings');
  if (!again && (await readIdentity(settings.state_dir)) !== undefined)
    throw new UsageError(`this host is an agent already (${settings.state_dir}/identity.json); --again enrols it anew`);
  const ca = settings.ca_file === undefined ? null : await readFile(settings.ca_file, 'utf8');
  const key = newIdentityKey();
  const platform = connectPlatform({ server: settings.server, ca, keyId: 'enrol', key, enrolmentToken: token });
  try {
    const public_key = createPublicKey(key).export({ format: 'der', type: 'spki' }).toString('base64');
    const answer = await platform.call(enrolAgent, { body: { name: settings.name, public_key, ...hostFacts(null) } });
    const identity = { agent_id: answer.agent_id, name: answer.name, server: settings.server, ca, key };
    await writeIdentity(settings.state_dir, identity);
    return identity;
  } finally {
    platform.close();
  }
}
