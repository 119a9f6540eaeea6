import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { region, role } from '../other-settings.ts';
import { Refusal } from '../fakes/aws-json.ts';
import { startCertificateManager, type AcmBehaviour, type CertificateManagerService } from '../fakes/certificate-manager.ts';
import { startSecurityTokens, type SecurityTokens } from '../fakes/security-tokens.ts';
import { api, rowsOf, runLoop, until, type Platform } from '../platform.ts';
import { issued } from '../targets/issued.ts';
import { startServing } from '../targets/serving.ts';
import { agentHost } from './agent-host.ts';
import { makeTarget, order, retarget } from './agent-jobs.ts';
import { enrolledAgent, signedAgent } from './signed-agent.ts';
import {
  acmTarget,
  deployedByConnector,
  deploymentsOf,
  ended,
  fingerprintOf,
  ofTarget,
  platformWithAcm,
  sealsOf,
} from './connector-targets.ts';

const behaviour: AcmBehaviour = {};
let acm: CertificateManagerService;
let sts: SecurityTokens;
let platform: Platform;
beforeAll(async () => {
  sts = await startSecurityTokens({ [role]: { externalId: 'ours' } });
  acm = await startCertificateManager(behaviour, region);
  platform = await platformWithAcm(acm, sts);
});
beforeEach(() => {
  behaviour.accountOf = sts.accountOf;
});
afterEach(() => {
  for (const key of Object.keys(behaviour) as (keyof AcmBehaviour)[]) behaviour[key] = undefined;
});
afterAll(async () => {
  await platform.stop();
  await Promise.all([acm.stop(), sts.stop()]);
});

const shown = async (path: string): Promise<Record<string, unknown>> => (await api(platform, 'GET', `/api/v1/${path}`)).json();
const renew = async (certificate: string): Promise<void> => {
  expect((await api(platform, 'POST', `/api/v1/certificates/${certificate}/renew`)).status).toBe(202);
};
const current = async (certificate: string): Promise<string> => {
  const [row] = await rowsOf<{ fingerprint: string }>(
    platform,
    `SELECT encode(v.fingerprint, 'hex') AS fingerprint FROM certificate_holders h JOIN certificates v ON v.id = h.current_id WHERE h.certificate_id = $1`,
    [certificate],
  );
  return row?.fingerprint ?? '';
};
/** As if the time of every next attempt had come. */
const retriesDue = async (): Promise<void> => {
  await rowsOf(
    platform,
    `UPDATE jobs SET run_at = now() - interval '1 minute', hinted_at = NULL WHERE agent_id = 'agent-connector' AND status = 'pending'`,
  );
  await runLoop(platform, 'jobProcessor');
};
/** A certificate whose key is sealed, for ACM took it not. */
const unplaced = async (name: string): Promise<string> => {
  behaviour.importsLeft = 0;
  const { id } = await order(platform, name, [await acmTarget(platform, name)]);
  await until('the deployment was tried', async () =>
    (await deploymentsOf(platform, id)).some(({ failure_class }) => failure_class === 'write') ? true : undefined,
  );
  expect(await sealsOf(platform, id)).toMatchObject([{ sealed: true }]);
  return id;
};
/** A certificate for two targets, of which one has it, and for the other no import was left. */
const oneOfTwo = async (name: string): Promise<{ readonly id: string; readonly targets: readonly string[] }> => {
  behaviour.importsLeft = 1;
  const targets = [await acmTarget(platform, `${name}-1`), await acmTarget(platform, `${name}-2`)];
  const { id } = await order(platform, name, targets);
  await until('one is there, the other not', async () => {
    const all = await deploymentsOf(platform, id);
    return all.some(({ status }) => status === 'completed') && all.some(({ failure_class }) => failure_class === 'write')
      ? true
      : undefined;
  });
  return { id, targets };
};
/** A policy by which the first attempt is the last. */
const impatient = async (name: string): Promise<string> => {
  const answer = await api(platform, 'POST', '/api/v1/renewal-policies', { name, max_retries: 1 });
  return answer.json()['id'] as string;
};

test('given a target without a host, the connector makes a key, ACM gets it with its certificate, and its seal is destroyed', async () => {
  const { target, certificate, at } = await deployedByConnector(platform, acm, 'no-host', { tags: { team: 'web' } });
  expect(fingerprintOf(at.leaf)).toBe(await current(certificate));
  expect(createPublicKey(createPrivateKey(at.key)).equals(new X509Certificate(at.leaf).publicKey)).toBe(true);
  expect(Object.fromEntries(at.tags)).toEqual({ team: 'web', 'certctl:target': target, 'certctl:certificate': certificate });
  expect(await shown(`targets/${target}`)).toMatchObject({ reference: at.arn, agent: 'agent-connector' });
  expect(await sealsOf(platform, certificate)).toMatchObject([{ sealed: false, destroyed: true }]);
  const audited = await rowsOf<{ action: string }>(
    platform,
    `SELECT action FROM audit_events WHERE action LIKE 'key\\_%' AND details ->> 'key' IN (SELECT k.id FROM sealed_keys k JOIN certificate_holders h ON h.id = k.holder_id
     WHERE h.certificate_id = $1) ORDER BY id`,
    [certificate],
  );
  expect(audited.map(({ action }) => action)).toEqual(['key_sealed', 'key_destroyed']);
});

test('given its renewal, ACM gets a new key and certificate under the same ARN', async () => {
  const { target, certificate, at } = await deployedByConnector(platform, acm, 'renewed');
  const [leaf, key] = [at.leaf, at.key];
  await renew(certificate);
  expect(await ended(platform, certificate, 2)).toMatchObject({ status: 'completed', reason: 'renewed', idempotent: false });
  expect(ofTarget(acm, target)).toHaveLength(1);
  expect([at.leaf === leaf, at.key === key, at.imports]).toEqual([false, false, 2]);
  expect(fingerprintOf(at.leaf)).toBe(await current(certificate));
  expect(await sealsOf(platform, certificate)).toMatchObject([{ sealed: false }, { sealed: false }]);
});

test('given a target of another account, the connector imports there as its role, and says whose deployment it is', async () => {
  const config = { role_arn: role, external_id: 'ours' };
  const { target, at } = await deployedByConnector(platform, acm, 'elsewhere', config);
  expect(at.arn).toContain(':111122223333:certificate/');
  expect(sts.sessions.filter(({ name }) => name === `certctl-${target}`)).toMatchObject([{ role, region }]);
});

test('given a role that trusts another external id, the deployment says that it may not be assumed', async () => {
  const target = await acmTarget(platform, 'mistrusted', { role_arn: role, external_id: 'theirs' });
  const { id } = await order(platform, 'mistrusted', [target], { policy: await impatient('mistrusted') });
  const detail = `not allowed to assume ${role} (AccessDenied)`;
  expect(await ended(platform, id, 1)).toMatchObject({
    status: 'failed',
    failure_class: 'connector',
    detail: expect.stringContaining(detail) as string,
  });
  expect(ofTarget(acm, target)).toEqual([]);
});

test('given a deployment that is asked for once more, no import is spent, although the key is gone', async () => {
  const { target, certificate, at } = await deployedByConnector(platform, acm, 'again');
  expect((await api(platform, 'POST', `/api/v1/certificates/${certificate}/deploy`, { target })).status).toBe(202);
  expect(await ended(platform, certificate, 2)).toMatchObject({ status: 'completed', idempotent: true });
  expect(at.imports).toBe(1);
});

test('given an import whose answer is lost, the next attempt finds it by its tag and makes no second certificate', async () => {
  let lost = 0;
  behaviour.beforeImportAnswer = async () => {
    lost += 1;
    if (lost === 1) throw new Error('the answer is lost');
  };
  const target = await acmTarget(platform, 'lost');
  const { id } = await order(platform, 'lost', [target]);
  await until('the first attempt failed', async () =>
    (await deploymentsOf(platform, id)).some(({ failure_class }) => failure_class === 'connector') ? true : undefined,
  );
  expect(await sealsOf(platform, id)).toMatchObject([{ sealed: true, destroyed: false }]);
  await retriesDue();
  expect(await ended(platform, id, 1)).toMatchObject({ status: 'completed', idempotent: true });
  expect([ofTarget(acm, target).length, lost]).toEqual([1, 1]);
  expect(await shown(`targets/${target}`)).toMatchObject({ reference: ofTarget(acm, target)[0]!.arn });
  expect(await sealsOf(platform, id)).toMatchObject([{ sealed: false }]);
});

test('given an agent that holds the key, ACM gets certificate and renewal from it under one ARN, by the host’s own credentials', async () => {
  const nothing = { address: '', port: 0, under: [], certPath: '', keyPath: '', allowedCommands: [], stop: async () => undefined };
  const config = { region, verify: 'off' };
  const host = await agentHost({ ...nothing, type: 'aws_acm', name: 'by-agent.example.com', config, allowedPaths: [`acm://${region}`] });
  try {
    await host.enrol(platform, 'by-agent');
    const target = await host.target(platform, 'by-agent');
    const { id } = await order(platform, 'by-agent', [target]);
    const env = { AWS_ENDPOINT_URL_ACM: acm.url, AWS_ACCESS_KEY_ID: 'of-the-host', AWS_SECRET_ACCESS_KEY: 'secret' };
    const agent = await host.start({ env });
    expect(await ended(platform, id, 1)).toMatchObject({ status: 'completed' });
    const [at] = ofTarget(acm, target);
    const held = (): string => readFileSync(join(host.stateDir, 'keys', id, 'current.key'), 'utf8');
    await until('the key is the current one', () => (existsSync(join(host.stateDir, 'keys', id, 'current.key')) ? true : undefined));
    expect(at!.key.trim()).toBe(held().trim());
    expect(await shown(`targets/${target}`)).toMatchObject({ reference: at!.arn });
    await renew(id);
    expect(await ended(platform, id, 2)).toMatchObject({ status: 'completed', idempotent: false });
    expect([ofTarget(acm, target).length, at!.imports]).toEqual([1, 2]);
    expect(await sealsOf(platform, id)).toEqual([]);
    const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${agent.process.pid}/status`, 'utf8'))?.[1]) / 1024;
    console.log(`the agent that imports takes ${rss.toFixed(0)} MiB`);
    // Its client of AWS, which no other agent loads, takes about five.
    expect(rss).toBeLessThan(90);
    expect(await agent.end('SIGTERM')).toBe(0);
  } finally {
    await host.stop();
  }
});

test('given two targets, the key is kept until both are verified', async () => {
  const { id } = await oneOfTwo('both');
  expect(await sealsOf(platform, id)).toMatchObject([{ sealed: true }]);
  behaviour.importsLeft = undefined;
  await retriesDue();
  await until('both are there', async () =>
    (await deploymentsOf(platform, id)).every(({ status }) => status === 'completed') ? true : undefined,
  );
  expect(await sealsOf(platform, id)).toMatchObject([{ sealed: false }]);
});

test('given two targets whose deployments are verified at one time, the key is destroyed all the same', async () => {
  behaviour.importsLeft = 0;
  const names = ['at-once-1', 'at-once-2'];
  const targets = await Promise.all(names.map((name) => acmTarget(platform, name)));
  const { id } = await order(platform, 'at-once', targets);
  await until('both were tried', async () =>
    (await deploymentsOf(platform, id)).filter(({ failure_class }) => failure_class === 'write').length === 2 ? true : undefined,
  );
  behaviour.importsLeft = undefined;
  let waiting = 0;
  const both = Promise.withResolvers<undefined>();
  behaviour.beforeImportAnswer = async () => {
    waiting += 1;
    if (waiting === 2) both.resolve(undefined);
    await both.promise;
  };
  await retriesDue();
  await until('both are there', async () =>
    (await deploymentsOf(platform, id)).every(({ status }) => status === 'completed') ? true : undefined,
  );
  expect(await sealsOf(platform, id)).toMatchObject([{ sealed: false }]);
});

test('given a target that never got it and is retired, the key of what is in place elsewhere is destroyed', async () => {
  const { id, targets } = await oneOfTwo('retired-one');
  const without = targets.find((target) => ofTarget(acm, target).length === 0);
  expect((await api(platform, 'DELETE', `/api/v1/targets/${without!}`)).status).toBe(200);
  await runLoop(platform, 'jobTimeout');
  await until('the seal is gone', async () => ((await sealsOf(platform, id))[0]?.sealed === false ? true : undefined));
});

test('given somebody else’s import, a look says so; a repair takes a new key, because the old one is gone', async () => {
  const { target, certificate, at } = await deployedByConnector(platform, acm, 'drifting', {}, { on_drift: 'repair' });
  const stranger = issued();
  Object.assign(at, { leaf: stranger.leafPem, chain: stranger.chainPem, key: stranger.privateKeyPem });
  expect((await api(platform, 'POST', `/api/v1/targets/${target}/test`)).status).toBe(202);
  await until('drift is seen', async () => {
    const { inspection } = await shown(`targets/${target}`);
    return (inspection as Record<string, unknown>)['outcome'] === 'drifted' ? true : undefined;
  });
  // The loop that makes the job says so at once: nobody has to find it.
  await until('ACM has a new version', async () => {
    await runLoop(platform, 'renewalCheck');
    const found = await current(certificate);
    return fingerprintOf(at.leaf) === found ? true : undefined;
  });
  const all = await until('both deployments have ended', async () => {
    const found = await deploymentsOf(platform, certificate);
    return found.length >= 3 && found.at(-1)?.status === 'completed' ? found : undefined;
  });
  expect(all.slice(0, 3)).toMatchObject([
    { reason: 'issued', status: 'completed' },
    { reason: 'repair', status: 'failed', failure_class: 'key_mismatch' },
    { reason: 'renewed', status: 'completed' },
  ]);
});

test('given a certificate in place, the test of a target says that it is in sync and ready; without permission, why not', async () => {
  const { target } = await deployedByConnector(platform, acm, 'tested');
  const tested = async (): Promise<Record<string, unknown>> => {
    const { job } = (await api(platform, 'POST', `/api/v1/targets/${target}/test`)).json() as { job: string };
    await until('the job has ended', async () => ((await shown(`jobs/${job}`))['status'] === 'completed' ? true : undefined));
    return (await shown(`targets/${target}`))['inspection'] as Record<string, unknown>;
  };
  expect(await tested()).toMatchObject({ outcome: 'in_sync', observed_source: 'stored', ready: true, failure_class: null });
  behaviour.refusal = new Refusal('AccessDeniedException', 'not authorized', 400);
  const refused = {
    outcome: 'unreachable',
    ready: false,
    failure_class: 'connector',
    detail: 'listing certificates: not allowed (AccessDeniedException)',
  };
  expect(await tested()).toMatchObject(refused);
});

test.each([
  ['keeps the key before', true, { failure_class: 'verify', rolled_back: true }],
  ['keeps no key', false, { failure_class: 'rollback_impossible', rolled_back: false }],
])(
  'given a re-import that its endpoint never shows, and a target that %s, the deployment says what became of it',
  async (_, keep, said) => {
    const name = keep ? 'kept' : 'not-kept';
    const policy = await impatient(name);
    const target = await acmTarget(platform, name, { keep_previous_key: keep });
    const { id } = await order(platform, name, [target], { policy });
    await ended(platform, id, 1);
    const [at] = ofTarget(acm, target);
    const before = fingerprintOf(at!.leaf);
    expect(await sealsOf(platform, id)).toMatchObject([{ sealed: keep }]);
    at!.inUseBy = ['arn:aws:elasticloadbalancing:eu-central-1:000000000000:loadbalancer/app/web/1'];
    const shownThere = { leafPem: at!.leaf, chainPem: at!.chain, privateKeyPem: at!.key };
    const stuck = await startServing(() => shownThere);
    const config = { region, keep_previous_key: keep, verify: { host: `${name}.localhost`, port: stuck.port, within: 1 } };
    const { version } = await shown(`targets/${target}`);
    const changed = await api(platform, 'PUT', `/api/v1/targets/${target}`, { name, config }, { 'if-match': `"v${String(version)}"` });
    expect(changed.status).toBe(200);
    await renew(id);
    expect(await ended(platform, id, 2)).toMatchObject({ status: 'failed', ...said });
    expect(ofTarget(acm, target)).toHaveLength(1);
    const now = fingerprintOf(at!.leaf);
    expect([now === before, now === (await current(id))]).toEqual([keep, !keep]);
    await stuck.stop();
  },
);

test('given one more target after the key was destroyed, both get a new key and version, and no deployment fails for want of it', async () => {
  const { target, certificate, at } = await deployedByConnector(platform, acm, 'second-region');
  const [leaf, second] = [at.leaf, await acmTarget(platform, 'second-region-2')];
  const answer = await retarget(platform, certificate, [target, second]);
  expect([answer.status, answer.text]).toEqual([200, expect.stringContaining(second)]);
  await until('both are there', async () => ((await shown(`certificates/${certificate}`))['deployment'] === 'verified' ? true : undefined));
  expect((await deploymentsOf(platform, certificate)).map(({ status }) => status)).toEqual(['completed', 'completed', 'completed']);
  const fingerprint = await current(certificate);
  expect([...ofTarget(acm, target), ...ofTarget(acm, second)].map((one) => fingerprintOf(one.leaf))).toEqual([fingerprint, fingerprint]);
  expect(at.leaf).not.toBe(leaf);
  expect(await sealsOf(platform, certificate)).toMatchObject([{ sealed: false }, { sealed: false }]);
});

test('given one more target while the key is kept, it gets what is in place', async () => {
  const { target, certificate, at } = await deployedByConnector(platform, acm, 'kept-for-two', { keep_previous_key: true });
  const second = await acmTarget(platform, 'kept-for-two-2');
  expect((await retarget(platform, certificate, [target, second])).status).toBe(200);
  expect(await ended(platform, certificate, 2)).toMatchObject({ status: 'completed', reason: 'requested' });
  expect(ofTarget(acm, second)[0]!.leaf).toBe(at.leaf);
  expect(at.imports).toBe(1);
});

test('given its only target without a host left out before it was deployed, the key is destroyed', async () => {
  const id = await unplaced('left-out');
  const agent = await enrolledAgent(platform, 'instead');
  const targets = [await makeTarget(platform, agent, 'instead')];
  expect((await retarget(platform, id, targets)).status).toBe(200);
  await runLoop(platform, 'jobTimeout');
  await until('the seal is gone', async () => ((await sealsOf(platform, id))[0]?.sealed === false ? true : undefined));
  expect(await deploymentsOf(platform, id)).toMatchObject([{ status: 'cancelled' }]);
});

test('given a certificate that is archived before it was deployed, its key is destroyed', async () => {
  const id = await unplaced('archived');
  expect((await api(platform, 'DELETE', `/api/v1/certificates/${id}`)).status).toBe(200);
  await runLoop(platform, 'jobTimeout');
  await until('the seal is gone', async () => ((await sealsOf(platform, id))[0]?.sealed === false ? true : undefined));
});

test.each([
  [
    'a region that the settings do not name',
    { type: 'aws_acm', config: { region: 'us-east-1', verify: 'off' } },
    'the connector may import in eu-central-1',
  ],
  [
    'a role that the settings do not name',
    { type: 'aws_acm', config: { region, role_arn: `${role}-2`, verify: 'off' } },
    `the connector may assume ${role}`,
  ],
  ['a server', { type: 'nginx', config: { pem_path: '/etc/a.pem', verify: 'off' } }, 'the connector deploys to aws_acm alone'],
])('given %s, the connector gets no target', async (_, body, why) => {
  const answer = await api(platform, 'POST', '/api/v1/targets', { name: 'refused', agent: 'agent-connector', ...body });
  expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(why)]);
});

test('given a profile that asks for approval, no key is made before a second person says yes', async () => {
  await api(platform, 'POST', '/api/v1/profiles', { id: 'gated', name: 'Gated', requires_approval: true });
  const second = (await api(platform, 'POST', '/api/v1/auth/keys', { name: 'second', roles: [{ role: 'r-operator' }] })).json();
  const target = await acmTarget(platform, 'gated');
  const { id, jobs } = await order(platform, 'gated', [target], { profile: 'gated' });
  expect(await shown(`jobs/${jobs[0]!}`)).toMatchObject({ status: 'awaiting_approval' });
  expect(await sealsOf(platform, id)).toEqual([]);
  const { items } = (await shown('approvals?limit=500')) as { items: { id: string; job: string }[] };
  const approval = items.find(({ job }) => job === jobs[0])!.id;
  const authorization = `Bearer ${String(second['token'])}`;
  expect((await api(platform, 'POST', `/api/v1/approvals/${approval}/approve`, {}, { authorization })).status).toBe(200);
  expect(await ended(platform, id, 1)).toMatchObject({ status: 'completed' });
  expect(ofTarget(acm, target)).toHaveLength(1);
});

test('given a version whose time is over before it was imported, its key is destroyed', async () => {
  const id = await unplaced('over');
  await rowsOf(
    platform,
    `UPDATE certificates SET not_before = now() - interval '2 days', not_after = now() - interval '1 day' WHERE managed_id = $1`,
    [id],
  );
  await runLoop(platform, 'jobTimeout');
  await until('the seal is gone', async () => ((await sealsOf(platform, id))[0]?.sealed === false ? true : undefined));
});

test('the connector stands among the agents, is never told to be offline, and once retired comes back with its next target', async () => {
  const { target } = await deployedByConnector(platform, acm, 'before-retirement');
  await runLoop(platform, 'agentHealthCheck');
  expect((await shown('agents/agent-connector'))['status']).not.toBe('offline');
  const retired = await api(platform, 'POST', '/api/v1/agents/agent-connector/retire', { force: true, reason: 'for a while' });
  expect([retired.status, retired.json()['retired_reason']]).toEqual([200, 'for a while']);
  expect((await shown(`targets/${target}`))['retired_at']).not.toBeNull();
  await deployedByConnector(platform, acm, 'after-retirement');
  expect(await shown('agents/agent-connector')).toMatchObject({ status: 'online', retired_at: null });
});

test('nobody can speak as the connector, which has no key', async () => {
  await acmTarget(platform, 'keyless');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const stranger = signedAgent(platform, 'agent-connector', 'connector', privateKey);
  expect((await stranger.send('POST', 'work', { limit: 1 })).status).toBe(401);
});
