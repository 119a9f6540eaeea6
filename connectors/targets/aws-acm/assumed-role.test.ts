import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { Refusal } from '../../../test/fakes/aws-json.ts';
import { startCertificateManager, type AcmBehaviour, type CertificateManagerService } from '../../../test/fakes/certificate-manager.ts';
import { ownAccount, startSecurityTokens, type SecurityTokens, type StsBehaviour } from '../../../test/fakes/security-tokens.ts';
import { makeHome, type Home } from '../../../test/targets/daemon.ts';
import { issued, type Issued } from '../../../test/targets/issued.ts';
import { deploy } from '../deploy.ts';
import { inspectTarget } from '../inspect.ts';
import { configObjection } from '../judge-config.ts';
import type { DeployOutcome } from '../target.ts';

// Of this file alone: clients stay open by region, and another file's service has ended.
const region = 'eu-west-3';
const other = '111122223333';
const role_arn = `arn:aws:iam::${other}:role/platform/certctl`;
const external_id = 'of-certctl:1';
const closed = `arn:aws:iam::${other}:role/closed`;

const acmBehaves: AcmBehaviour = {};
const stsBehaves: StsBehaviour = {};
let sts: SecurityTokens;
let acm: CertificateManagerService;
let home: Home;
beforeAll(async () => {
  sts = await startSecurityTokens({ [role_arn]: { externalId: external_id } }, stsBehaves);
  acm = await startCertificateManager(Object.assign(acmBehaves, { accountOf: sts.accountOf }), region);
  for (const [name, value] of Object.entries({
    AWS_ENDPOINT_URL_ACM: acm.url,
    AWS_ENDPOINT_URL_STS: sts.url,
    AWS_ACCESS_KEY_ID: 'of-the-host',
    AWS_SECRET_ACCESS_KEY: 'secret',
    AWS_EC2_METADATA_DISABLED: 'true',
  }))
    vi.stubEnv(name, value);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await Promise.all([acm.stop(), sts.stop()]);
});
beforeEach(() => {
  home = makeHome();
});
afterEach(async () => {
  stsBehaves.refusal = undefined;
  acmBehaves.refusal = undefined;
  await home.remove();
});

let targets = 0;
const newTarget = (): string => `tgt-${++targets}`;
const own = `acm://${region}`;
const ofRole = `acm://${role_arn}@${region}`;

function put(target: string, material: Issued, config: object, allowedPaths: readonly string[] = [ofRole]): Promise<DeployOutcome> {
  const { leafPem, chainPem, privateKeyPem } = material;
  const request = { certificateId: 'mc-1', versionId: 'cert-1', targetId: target, targetType: 'aws_acm', leafPem, chainPem, privateKeyPem };
  return deploy({ ...request, config: { region, verify: 'off', ...config } }, { ...home.rules, allowedPaths });
}

describe('a target of another account', () => {
  test('gets its certificate there, as the role and in a session that says whose it is, at the endpoint of the region', async () => {
    const target = newTarget();
    const outcome = await put(target, issued(), { role_arn, external_id });
    expect(outcome).toMatchObject({
      ok: true,
      reference: expect.stringContaining(`arn:aws:acm:${region}:${other}:certificate/`) as string,
    });
    expect(sts.sessions.at(-1)).toMatchObject({ role: role_arn, name: `certctl-${target}`, region, seconds: 900 });
  });

  test('is asked for one session, which its next deployment has too', async () => {
    const target = newTarget();
    const asked = sts.asked();
    expect(await put(target, issued(), { role_arn, external_id })).toMatchObject({ ok: true, idempotent: false });
    expect(await put(target, issued(), { role_arn, external_id })).toMatchObject({ ok: true, idempotent: false });
    expect(sts.asked()).toBe(asked + 1);
  });

  test('and one without a role stay apart: each account has its own', async () => {
    const target = newTarget();
    expect(await put(target, issued(), {}, [own])).toMatchObject({
      ok: true,
      reference: expect.stringContaining(`:${ownAccount}:`) as string,
    });
    expect(await put(target, issued(), { role_arn, external_id })).toMatchObject({
      ok: true,
      reference: expect.stringContaining(`:${other}:`) as string,
    });
  });

  test('is looked at as the role', async () => {
    const [target, material] = [newTarget(), issued()];
    const { reference } = await put(target, material, { role_arn, external_id });
    const look = (config: object) =>
      inspectTarget(
        'aws_acm',
        { region, verify: 'off', ...config },
        { ...home.rules, allowedPaths: [own, ofRole] },
        { keyType: 'ec', reference },
      );
    expect(await look({ role_arn, external_id })).toMatchObject({
      ready: true,
      observation: { source: 'stored', fingerprint: material.fingerprint },
    });
    expect(await look({})).toMatchObject({ observation: { source: 'empty' } });
    expect(await look({ role_arn, external_id: 'wrong' })).toMatchObject({
      ready: false,
      failureClass: 'connector',
      detail: expect.stringContaining('not allowed to assume') as string,
    });
  });
});

describe('what AWS refuses', () => {
  test.each([
    ['another external id', { role_arn, external_id: 'another' }],
    ['no external id where one is demanded', { role_arn }],
    ['a role that trusts nobody here', { role_arn: closed }],
  ])('given %s, nothing is imported, and the detail says the role and not who asked', async (_, config) => {
    const before = acm.certificates.size;
    const outcome = await put(newTarget(), issued(), config, [ofRole, `acm://${closed}@${region}`]);
    expect(outcome).toMatchObject({
      ok: false,
      failureClass: 'connector',
      detail: expect.stringContaining(`not allowed to assume ${config.role_arn} (AccessDenied)`) as string,
    });
    expect(outcome.detail).not.toContain('of-the-host');
    expect(acm.certificates.size).toBe(before);
  });

  test.each([
    ['is disabled in the region', new Refusal('RegionDisabledException', '', 403), 'not allowed to assume'],
    ['is broken', new Refusal('InternalFailure', '', 500), 'has a fault (500)'],
  ])('given that STS %s, the detail says so', async (_, refusal, detail) => {
    stsBehaves.refusal = refusal;
    const outcome = await put(newTarget(), issued(), { role_arn, external_id });
    expect(outcome).toMatchObject({ ok: false, failureClass: 'connector', detail: expect.stringContaining(detail) as string });
  });

  test('given a role that may not import, the detail tells it from one that may not be assumed', async () => {
    acmBehaves.refusal = new Refusal('AccessDeniedException', 'not authorized', 400);
    const outcome = await put(newTarget(), issued(), { role_arn, external_id });
    expect(outcome).toMatchObject({ ok: false, failureClass: 'connector' });
    expect(outcome.detail).not.toContain('assume');
  });

  test('a refusal is not remembered: once the trust is mended, the next attempt succeeds', async () => {
    const target = newTarget();
    stsBehaves.refusal = new Refusal('AccessDenied', '', 403);
    expect(await put(target, issued(), { role_arn, external_id })).toMatchObject({ ok: false });
    stsBehaves.refusal = undefined;
    expect(await put(target, issued(), { role_arn, external_id })).toMatchObject({ ok: true });
  });
});

describe('what the host allows', () => {
  test.each([
    ['the region alone', [own]],
    ['the role in another region', [`acm://${role_arn}@us-east-1`]],
    ['another role', [`acm://${closed}@${region}`]],
  ])('given %s, no role is assumed', async (_, allowed) => {
    const asked = sts.asked();
    expect(await put(newTarget(), issued(), { role_arn, external_id }, allowed)).toMatchObject({
      ok: false,
      failureClass: 'validate',
      detail: expect.stringContaining(ofRole) as string,
    });
    expect(sts.asked()).toBe(asked);
  });

  test('given a role, the host itself imports nothing there', async () => {
    expect(await put(newTarget(), issued(), {}, [ofRole])).toMatchObject({ ok: false, failureClass: 'validate' });
  });
});

test.each([
  ['an external id without a role', { external_id }, 'external_id'],
  ['what is no role', { role_arn: 'arn:aws:iam::111122223333:user/x' }, 'the ARN of a role'],
  ['a role whose path reads as a region', { role_arn: `${role_arn}@${region}/x` }, 'the ARN of a role'],
  ['an external id that STS does not take', { role_arn, external_id: 'with spaces' }, 'an external id'],
  [
    'a certificate of another account than the role',
    { role_arn, certificate_arn: `arn:aws:acm:${region}:999900001111:certificate/x` },
    'another account',
  ],
])('given %s, the configuration is refused', (_, config, objection) => {
  expect(configObjection('aws_acm', { region, verify: 'off', ...config })).toContain(objection);
});
