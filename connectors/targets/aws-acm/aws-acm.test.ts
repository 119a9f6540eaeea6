import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { toPem } from '#domain/x509/pem.ts';
import {
  startCertificateManager,
  type AcmBehaviour,
  type CertificateManagerService,
  type Imported,
} from '../../../test/fakes/certificate-manager.ts';
import { Refusal } from '../../../test/fakes/aws-json.ts';
import { alternativeNames, dns, make } from '../../../test/pki/made-certificate.ts';
import { makeHome, type Daemon, type Home } from '../../../test/targets/daemon.ts';
import { apart } from '../../../test/targets/interrupted.ts';
import { issued, serverName, type Issued } from '../../../test/targets/issued.ts';
import { startServing } from '../../../test/targets/serving.ts';
import { configObjection } from '../judge-config.ts';
import { deploy } from '../deploy.ts';
import { inspectTarget } from '../inspect.ts';
import { resumeInterrupted } from '../resume.ts';
import type { DeployOutcome, HostRules } from '../target.ts';

const region = 'eu-central-1';
const behaviour: AcmBehaviour = {};
let acm: CertificateManagerService;
let home: Home;
beforeAll(async () => {
  acm = await startCertificateManager(behaviour, region);
  for (const [name, value] of Object.entries({
    AWS_ENDPOINT_URL_ACM: acm.url,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_EC2_METADATA_DISABLED: 'true',
  }))
    vi.stubEnv(name, value);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await acm.stop();
});
beforeEach(() => {
  home = makeHome();
});
afterEach(async () => {
  for (const key of Object.keys(behaviour) as (keyof AcmBehaviour)[]) behaviour[key] = undefined;
  await home.remove();
});

let targets = 0;
const newTarget = (): string => `tgt-${++targets}`;
const rules = (more: Partial<HostRules> = {}): HostRules => ({ ...home.rules, allowedPaths: [`acm://${region}`], ...more });

interface Order {
  readonly target: string;
  readonly material: Issued;
  readonly config?: object;
  readonly reference?: string | undefined;
  readonly rules?: Partial<HostRules>;
}

function put({ target, material, config = {}, reference, rules: more }: Order): Promise<DeployOutcome> {
  const { leafPem, chainPem, privateKeyPem } = material;
  const request = {
    certificateId: 'mc-1',
    versionId: 'cert-1',
    targetId: target,
    targetType: 'aws_acm',
    leafPem,
    chainPem,
    privateKeyPem,
    reference,
  };
  return deploy({ ...request, config: { region, verify: 'off', ...config } }, rules(more));
}

const ofTarget = (target: string): Imported[] => [...acm.certificates.values()].filter(({ tags }) => tags.get('certctl:target') === target);
const only = (target: string): Imported => {
  expect(ofTarget(target)).toHaveLength(1);
  return ofTarget(target)[0]!;
};
const has = ({ leaf }: Imported): string => new X509Certificate(leaf).fingerprint256.replaceAll(':', '').toLowerCase();

async function placed(): Promise<{ readonly target: string; readonly first: Issued; readonly at: Imported }> {
  const [target, first] = [newTarget(), issued()];
  expect(await put({ target, material: first })).toMatchObject({ ok: true });
  return { target, first, at: only(target) };
}

const shownAt = (port: number): object => ({ verify: { host: '127.0.0.1', port, server_name: serverName, within: 1 } });

describe('the first deployment', () => {
  test('makes a certificate with the tags of its target, and says its ARN', async () => {
    const [target, material] = [newTarget(), issued()];
    const outcome = await put({ target, material, config: { tags: { team: 'web' } } });
    const at = only(target);
    expect(outcome).toMatchObject({
      ok: true,
      idempotent: false,
      reference: at.arn,
      detail: expect.stringContaining('in use by nothing yet') as string,
    });
    expect(has(at)).toBe(material.fingerprint);
    expect(at.chain).toBe(material.chainPem);
    expect(Object.fromEntries(at.tags)).toEqual({ team: 'web', 'certctl:target': target, 'certctl:certificate': 'mc-1' });
  });

  test('given an endpoint that nobody has bound to it yet, nobody looks there', async () => {
    const outcome = await put({ target: newTarget(), material: issued(), config: { verify: { host: '127.0.0.1', port: 1, within: 1 } } });
    expect(outcome).toMatchObject({ ok: true, detail: expect.stringContaining('nothing serves it yet') as string });
    expect(outcome.verification).toBeUndefined();
  });

  test('given an ARN that ACM does not have, nothing is imported anywhere', async () => {
    const target = newTarget();
    const arn = `arn:aws:acm:${region}:000000000000:certificate/00000000-0000-4000-8000-000000000000`;
    expect(await put({ target, material: issued(), config: { certificate_arn: arn } })).toMatchObject({
      ok: false,
      failureClass: 'validate',
    });
    expect(ofTarget(target)).toEqual([]);
  });
});

describe('the next deployment', () => {
  test('given the reference, it imports into the same ARN, and what is there already is not imported again', async () => {
    const { target, first, at } = await placed();
    const second = issued();
    expect(await put({ target, material: second, reference: at.arn })).toMatchObject({ ok: true, reference: at.arn });
    expect([has(only(target)), at.imports]).toEqual([second.fingerprint, 2]);
    expect(await put({ target, material: second, reference: at.arn })).toMatchObject({ ok: true, idempotent: true, reference: at.arn });
    expect(at.imports).toBe(2);
    expect(first.fingerprint).not.toBe(second.fingerprint);
  });

  test('given no reference, as after a death before it was told, the tag leads to the same ARN', async () => {
    const { target, first, at } = await placed();
    expect(await put({ target, material: first })).toMatchObject({ ok: true, idempotent: true, reference: at.arn });
    expect(await put({ target, material: issued() })).toMatchObject({ ok: true, reference: at.arn });
    expect(only(target).imports).toBe(2);
  });

  test('given a reference that somebody deleted, a new certificate is made and told', async () => {
    const { target, at } = await placed();
    (acm.certificates as Map<string, Imported>).delete(at.arn);
    const outcome = await put({ target, material: issued(), reference: at.arn });
    expect(outcome).toMatchObject({ ok: true, reference: only(target).arn });
    expect(only(target).arn).not.toBe(at.arn);
  });

  test('says what uses the certificate', async () => {
    const { target, at } = await placed();
    at.inUseBy = ['arn:aws:elasticloadbalancing:eu-central-1:000000000000:loadbalancer/app/web/1'];
    expect((await put({ target, material: issued(), reference: at.arn })).detail).toContain('loadbalancer/app/web/1');
  });
});

describe('material and answers that stop it', () => {
  test.each([
    ['an Ed25519 key', () => ofKey(generateKeyPairSync('ed25519')), 'validate', 'ACM takes RSA keys'],
    ['an RSA key of 1536 bits', () => ofKey(generateKeyPairSync('rsa', { modulusLength: 1536 })), 'validate', 'ACM takes RSA keys'],
    ['the leaf in the chain', () => withLeaf(issued()), 'validate', 'not in order'],
    ['the key of another certificate', () => ({ ...issued(), privateKeyPem: issued().privateKeyPem }), 'key_mismatch', 'does not belong'],
  ])('given %s, no import is spent', async (_, material, failureClass, detail) => {
    const target = newTarget();
    const imports = acm.requests['ImportCertificate'] ?? 0;
    expect(await put({ target, material: material() })).toMatchObject({
      ok: false,
      failureClass,
      detail: expect.stringContaining(detail) as string,
    });
    expect(acm.requests['ImportCertificate'] ?? 0).toBe(imports);
  });

  test.each([
    ['the yearly quota is used up', { importsLeft: 0 }, 'write', 'quota'],
    [
      'the permission is missing',
      { refusal: new Refusal('AccessDeniedException', 'User arn:aws:iam::1:user/x', 400) },
      'connector',
      'not allowed',
    ],
    ['the service is broken', { refusal: new Refusal('InternalFailure', 'down', 500) }, 'connector', 'fault'],
  ])('given that %s, the certificate that is there stays, and the class says why', async (_, wrong, failureClass, detail) => {
    const { target, first, at } = await placed();
    Object.assign(behaviour, wrong);
    const outcome = await put({ target, material: issued(), reference: at.arn });
    expect(outcome).toMatchObject({ ok: false, failureClass, detail: expect.stringContaining(detail) as string });
    expect(outcome.detail).not.toContain('user/x');
    expect(has(at)).toBe(first.fingerprint);
  });

  test('given a host that does not allow the region, ACM is not asked', async () => {
    const outcome = await put({ target: newTarget(), material: issued(), rules: { allowedPaths: ['acm://us-east-1'] } });
    expect(outcome).toMatchObject({ ok: false, failureClass: 'validate', detail: expect.stringContaining('acm://eu-central-1') as string });
  });

  test.each([
    ['CloudFront elsewhere than in us-east-1', { region, for_cloudfront: true }, 'us-east-1 alone'],
    ['an ARN of another region', { region, certificate_arn: 'arn:aws:acm:us-east-1:000000000000:certificate/x' }, 'another region'],
    ['a tag of ours', { region, tags: { 'certctl:target': 'x' } }, 'begins with'],
    ['no word about looking', { region, verify: undefined }, 'verify'],
  ])('given %s, the configuration is refused', (_, config, objection) => {
    expect(configObjection('aws_acm', { verify: 'off', ...config })).toContain(objection);
  });
});

test('given a certificate whose ARN has another kind of key, no import is spent, for ACM would refuse it', async () => {
  const { target, at } = await placed();
  const outcome = await put({ target, material: issued('rsa'), reference: at.arn });
  expect(outcome).toMatchObject({ ok: false, failureClass: 'validate', detail: expect.stringContaining('rsa 2048') as string });
  expect(at.imports).toBe(1);
});

describe('a re-import that its endpoint does not show', () => {
  test('is rolled back with the key of the certificate before, while the host has it', async () => {
    const { target, first, at } = await placed();
    at.inUseBy = ['arn:aws:elasticloadbalancing:x'];
    const stuck = await startServing(() => first);
    const keyOf = async (_: string, leafPem: string): Promise<string | undefined> =>
      leafPem === first.leafPem ? first.privateKeyPem : undefined;
    const outcome = await put({ target, material: issued(), reference: at.arn, config: shownAt(stuck.port), rules: { keyOf } });
    await stuck.stop();
    expect(outcome).toMatchObject({ ok: false, failureClass: 'verify', rolledBack: true, reference: at.arn });
    expect([has(at), at.imports]).toEqual([first.fingerprint, 3]);
  });

  test('stays, and the class says that it cannot be rolled back, where the key is gone', async () => {
    const { target, first, at } = await placed();
    at.inUseBy = ['arn:aws:elasticloadbalancing:x'];
    const stuck = await startServing(() => first);
    const second = issued();
    const outcome = await put({ target, material: second, reference: at.arn, config: shownAt(stuck.port) });
    await stuck.stop();
    expect(outcome).toMatchObject({ ok: false, failureClass: 'rollback_impossible', rolledBack: false });
    expect(has(at)).toBe(second.fingerprint);
    // Nothing is left to a restart: the next attempt finds it in place and looks again.
    expect(await resumeInterrupted(rules())).toEqual([]);
    const moved = await startServing(() => second);
    expect(await put({ target, material: second, reference: at.arn, config: shownAt(moved.port) })).toMatchObject({
      ok: true,
      idempotent: true,
    });
    await moved.stop();
    expect(at.imports).toBe(2);
  });
});

describe('a look at it', () => {
  const look = (reference?: string, config: object = {}) =>
    inspectTarget('aws_acm', { region, verify: 'off', ...config }, rules(), { keyType: 'ec', reference });

  test('says what is stored, that nothing is, and that nobody answers', async () => {
    const { first, at } = await placed();
    expect(await look(at.arn)).toMatchObject({ ready: true, observation: { source: 'stored', fingerprint: first.fingerprint } });
    expect(await look()).toMatchObject({ ready: true, observation: { source: 'empty' } });
    behaviour.refusal = new Refusal('AccessDeniedException', '', 400);
    expect(await look(at.arn)).toMatchObject({ ready: false, failureClass: 'connector', observation: { source: 'none' } });
  });
});

describe('an agent that is killed', () => {
  const host = (): Daemon =>
    ({ home: home.path, targetType: 'aws_acm', config: { region, verify: 'off' }, rules: rules() }) as Partial<Daemon> as Daemon;

  // The other steps do nothing to ACM.
  test.each(['commit', 'check', 'settle'] as const)(
    'as %s begins, finds its import when it comes again, and makes no second one',
    async (step) => {
      const target = 'target-1';
      for (const { arn } of ofTarget(target)) (acm.certificates as Map<string, Imported>).delete(arn);
      const material = issued();
      expect(await apart(host(), material, { death: { step } })).toMatchObject({ signal: 'SIGKILL' });
      const { outcomes } = await apart(host(), material);
      expect(outcomes).toMatchObject([{ ok: true, reference: only(target).arn }]);
      expect([has(only(target)), only(target).imports]).toEqual([material.fingerprint, 1]);
    },
  );
});

function ofKey(key: NonNullable<Parameters<typeof make>[0]['key']>): Issued {
  const day = 86_400_000;
  const made = make({
    subject: serverName,
    key,
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + day),
    extensions: [alternativeNames(dns(serverName))],
    issuer: make({ subject: 'Issuer', ca: {} }),
  });
  const pem = made.key.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { leafPem: toPem('CERTIFICATE', made.der), chainPem: '', privateKeyPem: pem, fingerprint: '' };
}

function withLeaf(material: Issued): Issued {
  return { ...material, chainPem: material.leafPem + material.chainPem };
}
