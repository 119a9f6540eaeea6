import { X509Certificate, type KeyObject } from 'node:crypto';
import * as z from 'zod';
import type { About, Change, Target } from '../change.ts';
import { TargetFailure } from '../failure.ts';
import { firstFingerprint, type Material } from '../material.ts';
import type { HostRules } from '../target.ts';
import { awsAcmConfig } from './config.ts';
import { certificateTag, targetTag, type CertificateManager, type StoredCertificate } from './certificate-manager.ts';
import { certificateManager } from './open-clients.ts';
import { sessionOf } from './session.ts';

type Config = z.infer<typeof awsAcmConfig>;

// Nothing secret: the key of what was there is asked for only when it must come back.
const recordSchema = z.object({
  targetId: z.string(),
  certificateId: z.string(),
  /** Null: a new certificate, which the tag of its target finds. */
  arn: z.string().nullable(),
  old: z.object({ leafPem: z.string(), chainPem: z.string(), inUse: z.boolean() }).nullable(),
  newSha256: z.string(),
  names: z.array(z.string()),
});
type AcmRecord = z.infer<typeof recordSchema>;

/** AWS Certificate Manager: an import replaces certificate, chain and key in one call, or nothing. */
export const awsAcm: Target<Config> = {
  config: awsAcmConfig,
  demands: ({ region, role_arn: role }) => ({
    paths: [],
    commands: [],
    // A region alone allows no role: the host's own identity may be trusted by more of them than this host means.
    addresses: [role === undefined ? `acm://${region}` : `acm://${role}@${region}`],
  }),
  verify: (config) => config.verify,
  begin: async (config, material, rules, about) => {
    const leaf = new X509Certificate(material.leafPem);
    assertTaken(leaf.publicKey);
    const manager = await certificateManager(sessionOf(config, about.targetId));
    const names = namesOf(leaf);
    const place = await findPlace(manager, config, about, names);
    const { arn, stored } = place ?? { arn: undefined, stored: undefined };
    if (stored !== undefined) assertSameKind(stored, leaf.publicKey);
    const record: AcmRecord = {
      targetId: about.targetId,
      certificateId: about.certificateId,
      arn: arn ?? null,
      old: stored === undefined ? null : { leafPem: stored.leafPem, chainPem: stored.chainPem, inUse: stored.inUseBy.length > 0 },
      newSha256: material.fingerprint,
      names,
    };
    return change(manager, config, record, rules, material);
  },
  resume: async (config, written, rules) => {
    const record = recordSchema.parse(written);
    return change(await certificateManager(sessionOf(config, record.targetId)), config, record, rules);
  },
  probe: async (config, _rules, reference) => {
    const manager = await certificateManager(sessionOf(config));
    await manager.reach();
    const { certificate_arn: named } = config;
    if (named !== undefined && (await manager.find(named)) === undefined) throw noSuchCertificate();
    if (reference !== undefined && named === undefined) await manager.find(reference);
  },
  stored: async (config, _rules, reference) => {
    const arn = config.certificate_arn ?? reference;
    const stored = arn === undefined ? undefined : await (await certificateManager(sessionOf(config))).find(arn);
    return stored && firstFingerprint(stored.leafPem);
  },
};

function noSuchCertificate(): TargetFailure {
  return new TargetFailure('validate', 'certificate_arn: ACM has no such certificate');
}

/** Where the certificate is: named by the configuration, known from before, or imported by somebody who died before saying so. */
async function findPlace(
  manager: CertificateManager,
  { certificate_arn: named }: Config,
  { targetId, reference }: About,
  names: readonly string[],
): Promise<{ readonly arn: string; readonly stored: StoredCertificate } | undefined> {
  for (const known of [named, reference]) {
    const stored = known === undefined ? undefined : await manager.find(known);
    if (known !== undefined && stored !== undefined) return { arn: known, stored };
    if (known !== undefined && known === named) throw noSuchCertificate();
  }
  const arn = await manager.findTagged(targetId, names);
  const stored = arn === undefined ? undefined : await manager.find(arn);
  return arn !== undefined && stored !== undefined ? { arn, stored } : undefined;
}

function change(manager: CertificateManager, config: Config, record: AcmRecord, rules: HostRules, material?: Material): Change {
  let arn = record.arn ?? undefined;
  let inUseBy: readonly string[] = [];
  const current = async (): Promise<StoredCertificate | undefined> => {
    arn ??= await manager.findTagged(record.targetId, record.names);
    const stored = arn === undefined ? undefined : await manager.find(arn);
    inUseBy = stored?.inUseBy ?? [];
    return stored;
  };
  const fingerprint = async (): Promise<string | undefined> => {
    const stored = await current();
    return stored && firstFingerprint(stored.leafPem);
  };
  return {
    record,
    replaces: record.old !== null,
    // Nothing serves a certificate that was only now imported.
    isServed: record.old?.inUse === true,
    reference: () => arn,
    note: () => (arn === undefined ? undefined : `${arn} is in use by ${inUseBy.length === 0 ? 'nothing yet' : inUseBy.join(', ')}`),
    backups: async () => [],
    holds: async () => (await fingerprint()) === record.newSha256,
    stage: async () => undefined,
    checkStaged: async () => undefined,
    commit: async () => {
      if (material === undefined) throw new TargetFailure('write', 'there is nothing to import');
      const tags = { ...config.tags, [targetTag]: record.targetId, [certificateTag]: record.certificateId };
      arn = await manager.put(material, arn === undefined ? { tags } : { arn });
    },
    check: async () => {
      if ((await fingerprint()) !== record.newSha256)
        throw new TargetFailure('verify', 'ACM has another certificate than the one that was imported');
    },
    reload: async () => undefined,
    restore: () => restore(manager, record, rules, { arn: () => arn, fingerprint }),
    discard: async () => undefined,
    settle: async () => undefined,
  };
}

/** Imports what was there before, which takes its key. */
async function restore(
  manager: CertificateManager,
  { old, newSha256, certificateId }: AcmRecord,
  rules: HostRules,
  now: { readonly arn: () => string | undefined; readonly fingerprint: () => Promise<string | undefined> },
): Promise<void> {
  const present = await now.fingerprint();
  const before = old === null ? undefined : firstFingerprint(old.leafPem);
  const arn = now.arn();
  // A first import that nobody uses does no harm where it is.
  if (old === null || arn === undefined || present === before) return;
  if (present !== newSha256) throw new TargetFailure('rollback_failed', 'somebody else has imported a certificate meanwhile');
  const keyPem = await rules.keyOf?.(certificateId, old.leafPem);
  if (keyPem === undefined)
    throw new TargetFailure('rollback_impossible', 'the key of the certificate before is not here; the new certificate stays in ACM');
  await manager.put({ leafPem: old.leafPem, chainPem: old.chainPem, keyPem }, { arn });
  if ((await now.fingerprint()) !== before) throw new TargetFailure('rollback_failed', 'ACM does not have the certificate before');
}

const curves = new Set(['prime256v1', 'secp384r1', 'secp521r1']);
const rsaBits = new Set([1024, 2048, 3072, 4096]);

/** ACM refuses to re-import with a key of another type or size. @throws {TargetFailure} `validate` */
function assertSameKind({ leafPem }: StoredCertificate, key: KeyObject): void {
  const kindOf = ({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): string =>
    `${type ?? 'unknown'} ${details?.namedCurve ?? details?.modulusLength ?? ''}`.trim();
  const [before, now] = [kindOf(new X509Certificate(leafPem).publicKey), kindOf(key)];
  if (before !== now)
    throw new TargetFailure(
      'validate',
      `ACM keeps the kind of key under an ARN: there it is ${before}, here ${now}; another target gets another ARN`,
    );
}

/** The service's own list, before an import is spent on it. @throws {TargetFailure} `validate` */
function assertTaken({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): void {
  if (type === 'rsa' && rsaBits.has(details?.modulusLength ?? 0)) return;
  if (type === 'ec' && curves.has(details?.namedCurve ?? '')) return;
  throw new TargetFailure(
    'validate',
    `ACM takes RSA keys of 1024 to 4096 bits and P-256, P-384, P-521; this key is ${type ?? 'of another kind'}`,
  );
}

function namesOf({ subject, subjectAltName }: X509Certificate): string[] {
  const commonName = /^CN=(.+)$/m.exec(subject)?.[1];
  const dns = (subjectAltName ?? '').split(', ').flatMap((name) => (name.startsWith('DNS:') ? [name.slice(4)] : []));
  return [...new Set([...(commonName === undefined ? [] : [commonName]), ...dns].map((name) => name.toLowerCase()))];
}
