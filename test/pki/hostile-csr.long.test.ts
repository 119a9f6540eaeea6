import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CaError } from '#domain/error.ts';
import { assertKeyAllowed } from '#domain/issuance/key-policy.ts';
import { assertIssuable } from '#domain/lifecycle/issue-managed.ts';
import { parseCsr } from '#domain/x509/csr.ts';
import { toPem } from '#domain/x509/pem.ts';
import { assertStrongKey, parsePublicKey } from '#domain/x509/public-key.ts';
import { acmeClient, bind, type AcmeClient } from '../acme/client.ts';
import { enrolledAgent, type SignedAgent } from '../lifecycle/signed-agent.ts';
import { mutatedBytes } from '../mutated-bytes.ts';
import { api, startPlatform, until, type Answer, type Platform } from '../platform.ts';
import { csrOfVersion, goodCsr, hostileCsrs, rocaKey } from './hostile-csr.ts';
import { madeProfile } from './made-hierarchy.ts';

const name = 'hostile.example.com';
const hostile = hostileCsrs(name);
const profile = { ...madeProfile, keyRules: (['RSA', 'ECDSA', 'Ed25519'] as const).map((algorithm) => ({ algorithm, min_size: 256 })) };
const pem = (der: Buffer): string => toPem('CERTIFICATE REQUEST', der);

let platform: Platform;
let client: AcmeClient;
let agent: SignedAgent;
beforeAll(async () => {
  platform = await startPlatform();
  const key = (await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'internal' })).json() as { key_id: string; hmac_key: string };
  client = await acmeClient(platform, { profile: 'internal' });
  await client.register({ externalAccountBinding: bind(client, key) });
  agent = await enrolledAgent(platform, 'hostile');
});
afterAll(() => platform.stop());

/** How a door answered each hostile CSR. */
async function answers(send: (der: Buffer) => Promise<Answer>): Promise<readonly (readonly [what: string, answer: Answer])[]> {
  const all: (readonly [string, Answer])[] = [];
  for (const [what, der] of hostile) all.push([what, await send(der)]);
  return all;
}

const refusals = (all: Awaited<ReturnType<typeof answers>>): unknown[] =>
  all.map(([what, answer]) => [what, answer.status, String(answer.json()['type']).split(/[:/]/).at(-1)]);
const every = (status: number, type: string): unknown[] => hostile.map(([what]) => [what, status, type]);

test.each(hostile)('a CSR with %s is refused as a bad CSR, in bounded time', (_, der) => {
  const before = process.cpuUsage();
  let refusal: unknown;
  try {
    assertIssuable(parseCsr(der), profile);
  } catch (error) {
    refusal = error;
  }
  const { user, system } = process.cpuUsage(before);
  expect(refusal).toBeInstanceOf(CaError);
  expect((refusal as CaError).code).toBe('badCsr');
  expect((user + system) / 1000).toBeLessThan(500);
});

test('the CSR that they are made from is taken', () => {
  expect(() => assertIssuable(parseCsr(goodCsr(name)), profile)).not.toThrow();
});

test.each([1, 2])('a CSR that says version %j, as if it were a certificate, is taken as other CAs take it', (version) => {
  expect(() => assertIssuable(parseCsr(csrOfVersion(name, version)), profile)).not.toThrow();
});

test('the refusal of a CSR that is none says where it is wrong', () => {
  expect(() => parseCsr(csrOfVersion(name, 3))).toThrow('not strict DER of a PKCS#10 request: a CSR of another version');
});

test('a key of the broken generator and one with a small factor are told from a good one', () => {
  const strong = (key: Parameters<typeof parsePublicKey>[0]) => () => assertStrongKey(parsePublicKey(key));
  expect(strong(rocaKey().publicKey.export({ type: 'spki', format: 'der' }))).toThrow(/ROCA/);
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const good = publicKey.export({ type: 'spki', format: 'der' });
  expect(strong(good)).not.toThrow();
  const key = parsePublicKey(good);
  if (key.kind !== 'RSA') throw new Error('an RSA key was made');
  const third = (BigInt(`0x${key.modulus.toString('hex')}`) / 751n) * 751n;
  const modulus = Buffer.from(third.toString(16).padStart(512, '0'), 'hex');
  expect(() => assertStrongKey({ ...key, modulus })).toThrow(/small factor/);
});

test('given a good CSR with any bytes changed, it is refused as a bad CSR or is still one', () => {
  fc.assert(
    fc.property(mutatedBytes(goodCsr(name)), (bytes) => {
      try {
        const csr = parseCsr(bytes);
        assertKeyAllowed(csr.publicKey, profile.keyRules);
      } catch (error) {
        if (!(error instanceof CaError) || error.code !== 'badCsr') throw error;
      }
    }),
    { numRuns: 1000 },
  );
});

test('ACME’s finalize answers each with badCSR, and the order stays ready for the right one (RFC 8555 §7.4)', async () => {
  const { url, body } = await client.order(name);
  const finalize = (der: Buffer): Promise<Answer> => client.post(String(body['finalize']), { csr: der.toString('base64url') });
  expect(refusals(await answers(finalize))).toEqual(every(400, 'badCSR'));
  expect((await client.post(url)).json()['status']).toBe('ready');
  expect((await finalize(goodCsr(name))).json()['status']).toBe('valid');
});

test('the control plane answers each with badCsr, for a new certificate and for a job, and keeps nothing', async () => {
  const create = (der: Buffer): Promise<Answer> =>
    api(platform, 'POST', '/api/v1/certificates', { name: 'hostile', profile: 'internal', csr: pem(der) });
  expect(refusals(await answers(create))).toEqual(every(422, 'badCsr'));
  const submit = (der: Buffer): Promise<Answer> => api(platform, 'POST', '/api/v1/jobs/job-1/csr', { csr: pem(der) });
  expect(refusals(await answers(submit))).toEqual(every(422, 'badCsr'));
  expect((await api(platform, 'GET', '/api/v1/certificates?name=hostile')).json()['items']).toEqual([]);
});

test('each from an agent is answered with badCsr, and its job waits on for the right one', async () => {
  const config = { cert_path: '/etc/hostile.crt', key_path: '/etc/hostile.key', verify: 'off' };
  const target = await api(platform, 'POST', '/api/v1/targets', { name: 'hostile', type: 'nginx', agent: agent.id, config });
  const targets = [target.json()['id']];
  expect(
    (await api(platform, 'POST', '/api/v1/certificates', { name: 'agents', profile: 'internal', names: [name], targets })).status,
  ).toBe(202);
  const job = await until('the agent has work', async () => {
    const { jobs } = (await agent.send('POST', 'work', { limit: 1 })).json() as { jobs: { job_id: string; lease_token: string }[] };
    return jobs[0];
  });
  const submit = (der: Buffer): Promise<Answer> =>
    agent.send('POST', `jobs/${job.job_id}/csr`, { lease_token: job.lease_token, csr: pem(der) });
  expect(refusals(await answers(submit))).toEqual(every(422, 'badCsr'));
  expect((await submit(goodCsr(name))).json()['status']).toBe('issuing');
});
