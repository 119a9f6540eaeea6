import { hash } from 'node:crypto';
import { CaError } from '../error.ts';
import { baselineValidityDays } from '../x509/baseline-validity.ts';
import { parseTbs, subjectAltNamesOf } from '../x509/certificate.ts';
import { signCertificate, buildTbsLeaf, issuerInfo, type IssuerInfo } from '../x509/leaf.ts';
import { lintCertificate } from '../x509/lint.ts';
import { baselineRules } from '../x509/lint-rules/baseline.ts';
import { subscriberRules } from '../x509/lint-rules/baseline-subscriber.ts';
import { Oid } from '../x509/oids.ts';
import type { GeneralName } from '../x509/general-name.ts';
import type { PublicKeyInfo } from '../x509/public-key.ts';
import type { Signer } from '../x509/signer.ts';
import { crlUrlBase, shardFor, type CrlShard } from '../revocation/crl-scope.ts';
import { namedShard } from '../revocation/named-shard.ts';
import { assertIssuableBelow, issuingState, type IssuingPath } from './issuing-path.ts';
import type { Profile } from './profile.ts';
import type { IssuedCertificate, PreparedLeaf, SigningIntent } from './store.ts';

/** A CA that is ready to sign: its certificate's facts and its key. */
export interface SigningAuthority {
  readonly id: string;
  readonly issuer: IssuerInfo;
  /** DER, this CA first, then its issuers without the root. */
  readonly chain: readonly Uint8Array[];
  /** The whole path that its certificates will be validated by. */
  readonly path: IssuingPath;
  readonly signer: Signer;
}

/** Where relying parties find the status and the issuer of what a CA signs; http on purpose (RFC 5280 §4.2.1.13). */
export function statusUrls(pkiBaseUrl: string, caId: string): { crl: string; ocsp: string; caIssuers: string } {
  const base = `${pkiBaseUrl}/.well-known/pki`;
  return { crl: `${crlUrlBase(pkiBaseUrl)}${caId}.crl`, ocsp: `${base}/ocsp/${caId}`, caIssuers: `${base}/ca/${caId}.cer` };
}

/**
 * Builds what the CA will sign for an order, and lints it: the key has signed nothing yet when a rule refuses.
 *
 * @param now milliseconds since the epoch; validity begins a minute earlier, for clocks that lag
 * @throws {CaError} `nameConstraintViolation` or `policyViolation` when the CAs above do not allow it, `unavailable` when one of them has expired,
 * `badCsr`, `rejectedIdentifier` or `policyViolation` when a rule of lint refuses what was asked for,
 * `internal` when the result breaks another, which is a defect of ours and not of the CSR
 */
export function prepareLeaf(input: {
  readonly authority: SigningAuthority;
  readonly profile: Profile;
  readonly idempotencyKey: string;
  readonly serial: string;
  readonly publicKey: PublicKeyInfo;
  readonly names: readonly GeneralName[];
  readonly now: number;
  readonly notBefore?: Date | undefined;
  readonly notAfter?: Date | undefined;
  readonly pkiBaseUrl: string;
  /** Those of the CA. */
  readonly crlShards: readonly CrlShard[];
}): PreparedLeaf {
  const { authority, profile } = input;
  const notBefore = input.notBefore ?? wholeSeconds(input.now - 60_000);
  const wanted = input.notAfter ?? new Date(notBefore.getTime() + profile.validitySeconds * 1000 - 1000);
  const ends = [wanted, issuingState(authority.path, input.now).notAfter, ...baselineEnd(profile, notBefore, input.now)];
  const notAfter = new Date(Math.min(...ends.map((end) => end.getTime())));
  if (notAfter.getTime() <= input.now) throw new CaError('unavailable', 'the issuing CA has expired');
  const urls = statusUrls(input.pkiBaseUrl, authority.id);
  const commonName = input.names.find(
    (name): name is GeneralName & { type: 'dns' } => name.type === 'dns' && name.value.length <= 64,
  )?.value;
  const tbs = buildTbsLeaf(authority.issuer, authority.signer.algorithm, {
    serial: input.serial,
    ...(commonName !== undefined && { commonName }),
    spki: input.publicKey.spki,
    subjectAltNames: input.names,
    notBefore,
    notAfter,
    extendedKeyUsages: profile.extendedKeyUsages,
    mustStaple: profile.mustStaple,
    policies: profile.policies,
    crlDistributionPoints: [shardFor(input.serial, input.crlShards, input.pkiBaseUrl)?.url ?? urls.crl],
    ocspUrls: [urls.ocsp],
    caIssuerUrls: [urls.caIssuers],
  });
  const facts = parseTbs(tbs);
  const findings = lintCertificate(facts, {
    kind: 'leaf',
    issuer: authority.issuer,
    maxValiditySeconds: profile.validitySeconds,
    publicKey: input.publicKey,
    ...(profile.requirements === 'cabf_tls_br' && { further: [...baselineRules, ...subscriberRules] }),
    signedAt: input.now,
  });
  const [finding] = findings;
  if (finding !== undefined)
    throw new CaError(finding.refusal ?? 'internal', `the certificate would break rule ${finding.rule}: ${finding.detail}`, {
      cause: findings,
    });
  assertIssuableBelow(
    authority.path,
    { tbs, facts },
    profile.extendedKeyUsages.map((usage) => Oid[usage]),
    input.now,
  );
  return { idempotencyKey: input.idempotencyKey, caId: authority.id, serial: input.serial, tbs, facts };
}

/**
 * Signs an intent that the signing log holds. Signing the same intent twice gives two encodings of one certificate, of which
 * the store keeps one.
 */
export async function signIntent(intent: SigningIntent | PreparedLeaf, signer: Signer, id: string): Promise<IssuedCertificate> {
  const certificate = await signCertificate(signer, intent.tbs);
  const parsed = 'facts' in intent ? intent.facts : parseTbs(intent.tbs);
  return {
    id,
    caId: intent.caId,
    serial: intent.serial,
    certificate,
    commonName: parsed.commonNames[0],
    sans: subjectAltNamesOf(parsed).flatMap((name) => (name.type === 'other' ? [] : [{ type: name.type, value: name.value }])),
    spkiSha256: hash('sha256', parsed.spki, 'buffer'),
    notBefore: parsed.notBefore,
    notAfter: parsed.notAfter,
    crlShard: namedShard(parsed, intent.caId),
  };
}

/**
 * A CA's facts read once from its certificate.
 *
 * @param path DER from the root down to this CA
 * @throws {CaError} `internal` when the key is another's
 */
export function signingAuthority(id: string, path: IssuingPath, signer: Signer): SigningAuthority {
  const certificate = path.at(-1);
  if (certificate === undefined) throw new CaError('internal', 'a CA has no certificate');
  const issuer = issuerInfo(certificate);
  // What another key signs would verify under no chain that we hand out.
  if (!Buffer.from(signer.publicKeySpki).equals(issuer.spki))
    throw new CaError('internal', `the key of CA ${id} is not that of its certificate`);
  // A root that issues by itself still heads its own chain.
  const chain = path.length === 1 ? path : path.slice(1).reverse();
  return { id, issuer, chain, path, signer };
}

/** Where the public web's rules end a life that the profile would let be longer: they change on dates of their own. */
function baselineEnd(profile: Profile, notBefore: Date, now: number): readonly Date[] {
  if (profile.requirements !== 'cabf_tls_br') return [];
  return [new Date(notBefore.getTime() + (baselineValidityDays(now) * 86_400 - 1) * 1000)];
}

function wholeSeconds(milliseconds: number): Date {
  return new Date(Math.floor(milliseconds / 1000) * 1000);
}
