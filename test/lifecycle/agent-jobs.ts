import { X509Certificate } from 'node:crypto';
import { expect } from 'vitest';
import type { LoopName } from '#domain/schedule/loops.ts';
import { api, until, type Answer, type Platform } from '../platform.ts';
import { runToEnd } from '../cloud.ts';
import { makeCsr } from './csr.ts';
import type { SignedAgent } from './signed-agent.ts';

/** A job as an agent gets it. */
export interface Item {
  job_id: string;
  type: 'csr' | 'deployment' | 'inspection';
  certificate_id: string;
  lease_token: string;
  attempt: number;
  version_id: string;
  target_id: string;
  key_algorithm: string;
  key_type: string | null;
  sans: { type: string; value: string }[];
}

export const work = async (agent: SignedAgent): Promise<Item[]> => {
  const answer = await agent.send('POST', 'work', { limit: 20 });
  expect([answer.status, answer.text.slice(0, 300)]).toEqual([200, expect.stringContaining('jobs')]);
  return answer.json()['jobs'] as Item[];
};
export const workSoon = (agent: SignedAgent): Promise<Item[]> =>
  until('the agent has work', async () => {
    const items = await work(agent);
    return items.length === 0 ? undefined : items;
  });
/** A target on an agent's host that nobody looks at. */
export async function makeTarget(platform: Platform, agent: SignedAgent, name: string, more: object = {}): Promise<string> {
  const config = { cert_path: `/etc/${name}.crt`, key_path: `/etc/${name}.key`, verify: 'off' };
  const answer = await api(platform, 'POST', '/api/v1/targets', { name, type: 'nginx', agent: agent.id, config, ...more });
  expect([answer.status, answer.text]).toEqual([201, expect.stringContaining(name)]);
  return answer.json()['id'] as string;
}

/** A certificate for targets, and the jobs of their agents. */
export async function order(
  platform: Platform,
  name: string,
  targets: string[],
  more: object = {},
): Promise<{ id: string; jobs: string[] }> {
  const names = [`${name}.example.com`];
  const answer = await api(platform, 'POST', '/api/v1/certificates', { name, names, targets, ...more });
  expect([answer.status, answer.text]).toEqual([202, expect.stringContaining(name)]);
  const { certificate, jobs } = answer.json() as unknown as { certificate: { id: string }; jobs: string[] };
  return { id: certificate.id, jobs };
}

/** Makes these the targets of a certificate, whichever version of it there is. */
export const retarget = (platform: Platform, id: string, targets: readonly string[]): Promise<Answer> =>
  api(platform, 'PUT', `/api/v1/certificates/${id}/targets`, { targets }, { 'if-match': '*' });

/** A CSR handed in, and the deployment jobs that come of it. */
export async function certified(agent: SignedAgent, name: string): Promise<Item[]> {
  const [job] = (await workSoon(agent)).filter(({ type }) => type === 'csr');
  const answer = await agent.send('POST', `jobs/${job!.job_id}/csr`, {
    lease_token: job!.lease_token,
    csr: makeCsr([`${name}.example.com`]).csr,
  });
  expect([answer.status, answer.json()['status']]).toEqual([202, 'issuing']);
  return workSoon(agent);
}

/** The fingerprint of what a deployment is to put in place. */
export async function served(agent: SignedAgent, item: Item): Promise<string> {
  const picked = (await agent.send('GET', `certificates/${item.version_id}`)).json();
  const leaf = new X509Certificate(picked['leaf_pem'] as string);
  expect(leaf.fingerprint256.replaceAll(':', '').toLowerCase()).toBe(picked['fingerprint']);
  return picked['fingerprint'] as string;
}

export const report = (agent: SignedAgent, item: Item, more: object): Promise<Answer> =>
  agent.send('POST', `jobs/${item.job_id}/report`, { lease_token: item.lease_token, ok: true, ...more });

interface Calls {
  readonly get: (id: string) => Promise<Record<string, unknown>>;
  readonly jobOf: (id: string) => Promise<Record<string, unknown>>;
  /** Runs a loop to its end. */
  readonly run: (loop: LoopName) => Promise<void>;
  readonly target: (agent: SignedAgent, name: string) => Promise<string>;
  readonly ordered: (name: string, targets: string[], more?: object) => Promise<{ id: string; jobs: string[] }>;
}

/** What a file of tests asks of its one platform, which is there when they run. */
export function callsTo(platform: () => Platform): Calls {
  return {
    get: async (id) => (await api(platform(), 'GET', `/api/v1/certificates/${id}`)).json(),
    jobOf: async (id) => (await api(platform(), 'GET', `/api/v1/jobs/${id}`)).json(),
    run: (loop) => runToEnd(platform(), loop),
    target: (agent, name) => makeTarget(platform(), agent, name),
    ordered: (name, targets, more = {}) => order(platform(), name, targets, more),
  };
}
