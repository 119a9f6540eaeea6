import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseCertificate } from '#domain/x509/certificate.ts';
import { api, request, startPlatform, until, type Platform } from '../platform.ts';
import { callsTo, certified } from './agent-jobs.ts';
import { makeCsr } from './csr.ts';
import { enrolledAgent } from './signed-agent.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

const day = 86_400;
const { get, target, ordered } = callsTo(() => platform);

interface Renewal {
  readonly at: number;
  readonly start: number;
  readonly end: number;
  readonly notAfter: number;
}

async function send(method: string, path: string, body: object): Promise<Record<string, unknown>> {
  const answer = await api(platform, method, `/api/v1/${path}`, body, method === 'PUT' ? { 'if-match': '*' } : {});
  expect([answer.status < 300, answer.text.slice(0, 300)]).toEqual([true, expect.any(String)]);
  return answer.json();
}
const policyOf = (name: string, days: number): object => ({ name, renewal_window_days: days });
const makePolicy = async (name: string, days: number): Promise<string> =>
  String((await send('POST', 'renewal-policies', policyOf(name, days)))['id']);

/** When a certificate is renewed, and the window that ARI answers for it (RFC 9773 §4). */
async function renewalOf(id: string): Promise<Renewal> {
  const items = (await api(platform, 'GET', `/api/v1/certificates/${id}/versions`)).json()['items'] as { pem: string }[];
  const { raw, validToDate } = new X509Certificate(items[0]!.pem);
  const { authorityKeyIdentifier, serialOctets } = parseCertificate(raw);
  const certId = `${authorityKeyIdentifier!.toString('base64url')}.${serialOctets.toString('base64url')}`;
  const answer = await request(platform, `${platform.url}/acme/profile/internal/renewal-info/${certId}`);
  const { start, end } = answer.json()['suggestedWindow'] as { start: string; end: string };
  return {
    at: Date.parse(String((await get(id))['renew_at'])),
    start: Date.parse(start),
    end: Date.parse(end),
    notAfter: validToDate.getTime(),
  };
}

/** Whether it is renewed in the window that is answered, which lies about so long before its end. */
async function assertRenewed(id: string, leadSeconds: number, lifeSeconds: number): Promise<void> {
  const { at, start, end, notAfter } = await renewalOf(id);
  expect([id, at >= start, at <= end, end > start, end < notAfter]).toEqual([id, true, true, true, true]);
  expect(Math.abs(notAfter - leadSeconds * 1000 - (start + end) / 2)).toBeLessThanOrEqual(lifeSeconds * 10);
}

test.each([
  ['90 days', 90 * day, 30 * day, 20 * day],
  ['47 days', 47 * day, (47 * day) / 3, (47 * day) / 3],
  ['6 days', 6 * day, 3 * day, 3 * day],
  ['an hour', 3600, 1800, 1800],
])(
  'given certificates of %s, they are renewed in the window that ARI answers, after issue, after another policy, and after a change of it',
  async (name, seconds, lead, leadOf20) => {
    const key = name.replace(' ', '-');
    await send('POST', 'profiles', { id: key, name, validity_seconds: seconds });
    const policy = await makePolicy(`own-${key}`, 30);
    const more = { profile: key, policy };
    const created = await send('POST', 'certificates', { name: `csr-${key}`, csr: makeCsr([`csr-${key}.example.com`]).csr, ...more });
    const byCsr = (created['certificate'] as { id: string }).id;
    await until('it is issued', async () => ((await get(byCsr))['serial'] === null ? undefined : true));
    const agent = await enrolledAgent(platform, key);
    const { id: byAgent } = await ordered(`agent-${key}`, [await target(agent, key)], more);
    await certified(agent, `agent-${key}`);
    const both = [byCsr, byAgent];
    for (const id of both) await assertRenewed(id, lead, seconds);

    const other = await makePolicy(`other-${key}`, 20);
    for (const id of both) await send('PUT', `certificates/${id}`, { policy: other });
    for (const id of both) await assertRenewed(id, leadOf20, seconds);

    await send('PUT', `renewal-policies/${other}`, policyOf(`other-${key}`, 1));
    for (const id of both) await assertRenewed(id, Math.min(leadOf20, day), seconds);
  },
);
