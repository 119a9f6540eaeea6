import { spawn, type ChildProcess } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  ACMClient,
  DeleteCertificateCommand,
  GetCertificateCommand,
  ListCertificatesCommand,
  ListTagsForCertificateCommand,
} from '@aws-sdk/client-acm';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { deploy } from '#connectors/targets/deploy.ts';
import { inspectTarget } from '#connectors/targets/inspect.ts';
import type { DeployOutcome, HostRules } from '#connectors/targets/target.ts';
import { freePort } from '#infra/local/free-port.ts';
import { root } from '../platform.ts';
import { makeHome, reachable, until, type Home } from './daemon.ts';
import { issued, type Issued } from './issued.ts';

const program = join(root, '.build', 'targets', 'bin', 'moto_server');
const region = 'eu-central-1';
let moto: ChildProcess | undefined;
let home: Home;
let acm: ACMClient;

// Somebody else's ACM: what it gives back is what it was given, which a stand-in of ours could not show.
beforeAll(async () => {
  if (!existsSync(program)) throw new Error(`there is no moto at ${program}: run npm run test:targets, which installs it`);
  const port = await freePort();
  home = makeHome();
  moto = spawn(program, ['-H', '127.0.0.1', '-p', String(port)], { cwd: home.path, stdio: ['ignore', 'ignore', 'pipe'] });
  await until(() => reachable(port), 'moto listens', moto);
  for (const [name, value] of Object.entries({
    AWS_ENDPOINT_URL_STS: `http://127.0.0.1:${port}`,
    AWS_ENDPOINT_URL_ACM: `http://127.0.0.1:${port}`,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_EC2_METADATA_DISABLED: 'true',
  }))
    vi.stubEnv(name, value);
  acm = new ACMClient({ region });
});
afterAll(async () => {
  await home.remove(moto);
});

let targets = 0;
const newTarget = (): string => `tgt-${++targets}`;
const rules = (more: Partial<HostRules> = {}): HostRules => ({
  ...home.rules,
  allowedPaths: [`acm://${region}`, `acm://${role}@${region}`],
  ...more,
});

function put(target: string, material: Issued, reference?: string, config: object = {}): Promise<DeployOutcome> {
  const { leafPem, chainPem, privateKeyPem } = material;
  const request = { certificateId: 'mc-1', versionId: 'cert-1', targetId: target, targetType: 'aws_acm', reference };
  return deploy({ ...request, leafPem, chainPem, privateKeyPem, config: { region, verify: 'off', ...config } }, rules());
}

/** Another account, and whose sessions are its. */
const role = 'arn:aws:iam::111122223333:role/certctl';

const fingerprint = (pem: string | undefined): string => new X509Certificate(pem ?? '').fingerprint256.replaceAll(':', '').toLowerCase();
const stored = async (arn: string | undefined): Promise<string> =>
  fingerprint((await acm.send(new GetCertificateCommand({ CertificateArn: arn }))).Certificate);
const count = async (): Promise<number> => (await acm.send(new ListCertificatesCommand({}))).CertificateSummaryList?.length ?? 0;

test('a first import has its tags and chain, the next goes under the same ARN, and the same once more is none', async () => {
  const [target, first, second] = [newTarget(), issued(), issued()];
  const before = await count();
  const { reference, ...outcome } = await put(target, first, undefined, { tags: { team: 'web' } });
  expect(outcome).toMatchObject({ ok: true, idempotent: false });
  const { Certificate, CertificateChain } = await acm.send(new GetCertificateCommand({ CertificateArn: reference }));
  expect([fingerprint(Certificate), fingerprint(CertificateChain)]).toEqual([first.fingerprint, fingerprint(first.chainPem)]);
  const { Tags = [] } = await acm.send(new ListTagsForCertificateCommand({ CertificateArn: reference }));
  expect(Tags).toContainEqual({ Key: 'certctl:target', Value: target });
  expect(Tags).toContainEqual({ Key: 'team', Value: 'web' });
  expect(await put(target, second, reference)).toMatchObject({ ok: true, reference });
  expect(await stored(reference)).toBe(second.fingerprint);
  expect(await put(target, second, reference)).toMatchObject({ ok: true, idempotent: true, reference });
  expect(await count()).toBe(before + 1);
});

test('without the reference the tag leads to the certificate, and no second one is made', async () => {
  const [target, first, second] = [newTarget(), issued(), issued()];
  await put(newTarget(), issued());
  const { reference } = await put(target, first);
  const before = await count();
  expect(await put(target, second)).toMatchObject({ ok: true, idempotent: false, reference });
  expect([await stored(reference), await count()]).toEqual([second.fingerprint, before]);
});

test('a reference that was deleted is made anew; one that the configuration names is refused', async () => {
  const target = newTarget();
  const { reference } = await put(target, issued());
  await acm.send(new DeleteCertificateCommand({ CertificateArn: reference }));
  expect(await put(target, issued(), reference, { certificate_arn: reference })).toMatchObject({ ok: false, failureClass: 'validate' });
  const again = await put(target, issued(), reference);
  expect(again).toMatchObject({ ok: true });
  expect(again.reference).not.toBe(reference);
});

test('a look says what is stored there', async () => {
  const [target, material] = [newTarget(), issued()];
  const { reference } = await put(target, material);
  const seen = await inspectTarget('aws_acm', { region, verify: 'off' }, rules(), { reference });
  expect(seen).toMatchObject({ ready: true, observation: { source: 'stored', fingerprint: material.fingerprint } });
});

test('a role of another account has the certificate there, and this account sees nothing of it', async () => {
  const [target, first, second] = [newTarget(), issued(), issued()];
  const before = await count();
  const config = { role_arn: role, external_id: 'ours' };
  const { reference, ...outcome } = await put(target, first, undefined, config);
  expect([outcome, reference]).toMatchObject([{ ok: true }, expect.stringContaining(`arn:aws:acm:${region}:111122223333:certificate/`)]);
  expect(await count()).toBe(before);
  await expect(stored(reference)).rejects.toThrow(/111122223333/);
  // Without the reference it is found by its tag, there too.
  expect(await put(target, second, undefined, config)).toMatchObject({ ok: true, idempotent: false, reference });
  const seen = await inspectTarget('aws_acm', { region, verify: 'off', ...config }, rules(), { reference });
  expect(seen).toMatchObject({ ready: true, observation: { source: 'stored', fingerprint: second.fingerprint } });
});
