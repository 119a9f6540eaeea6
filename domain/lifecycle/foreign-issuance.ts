import { createHash, X509Certificate } from 'node:crypto';
import type { ConnectorAnswer, ConnectorCall } from '../connector/call.ts';
import { CaError } from '../error.ts';
import type { ClaimedJob } from '../job/job.ts';
import { parseCertificate } from '../x509/certificate.ts';
import type { CertificationRequest } from '../x509/csr.ts';
import type { GeneralName } from '../x509/general-name.ts';
import { toPem } from '../x509/pem.ts';
import type { Managed, NewVersion } from './managed-issuance.ts';

/** What a job has asked of a CA elsewhere, or is about to ask. */
export interface IssuanceIntent {
  readonly token: string;
  readonly notAfter: Date;
  readonly orderRef: string | undefined;
  readonly createdAt: Date;
}

export interface IntentStore {
  /** Commits the intent, or returns the one that an earlier attempt committed; undefined: the lease is lost. */
  intend(
    job: ClaimedJob,
    intent: { readonly issuerId: string; readonly csrSha256: Uint8Array; readonly token: string; readonly notAfter: Date },
  ): Promise<IssuanceIntent | undefined>;
  /** The CA's name for the order. False: the lease is lost, and whoever has it finds the same order by the token. */
  ordered(job: ClaimedJob, orderRef: string): Promise<boolean>;
  /** Pending again without the loss of an attempt: the CA is at work, and nobody needs to wait for it. */
  waitForCa(job: ClaimedJob, delaySeconds: number): Promise<boolean>;
}

export type Collected =
  { readonly kind: 'lost' } | { readonly kind: 'waiting' } | { readonly kind: 'issued'; readonly version: ForeignVersion };
export type ForeignVersion = Omit<NewVersion, 'renewAt' | 'alertAt'>;

const firstWaitSeconds = 2;
const longestWaitSeconds = 300;
// CAs begin a certificate's life up to an hour before they sign it, for clocks that lag.
const backdatingMs = 3_660_000;

/**
 * Has a CSR certified by a CA elsewhere: intent, order, certificate, each remembered before the next. An attempt that finds an intent goes on
 * where the one before it ended.
 *
 * @throws {CaError} `unavailable` when asking again may help, `policyViolation` when the CA refuses or what it sent is not what was asked for
 */
export async function issueElsewhere(
  ports: {
    readonly intents: IntentStore;
    readonly ask: (call: ConnectorCall) => Promise<ConnectorAnswer>;
    readonly newId: (prefix: string) => string;
    readonly now: () => number;
  },
  job: ClaimedJob,
  managed: Managed & { readonly issuer: { readonly type: 'aws-private-ca' } },
  csr: CertificationRequest,
  names: readonly GeneralName[],
): Promise<Collected> {
  const issuer = { type: managed.issuer.type, config: managed.issuer.config as Record<string, unknown> };
  const intent = await ports.intents.intend(job, {
    issuerId: managed.issuer.id,
    csrSha256: createHash('sha256').update(csr.der).digest(),
    // At most 36 characters, and the same for each attempt at this job.
    token: createHash('sha256').update(job.id).digest('base64url').slice(0, 36),
    notAfter: new Date(Math.floor(ports.now() / 1000) * 1000 + managed.profile.validitySeconds * 1000),
  });
  if (intent === undefined) return { kind: 'lost' };
  let { orderRef } = intent;
  if (orderRef === undefined) {
    const answer = await ports.ask({
      kind: 'order',
      issuer,
      csr: toPem('CERTIFICATE REQUEST', csr.der),
      notAfter: intent.notAfter.toISOString(),
      token: intent.token,
    });
    if (!('orderRef' in answer)) throw refusal(answer);
    orderRef = answer.orderRef;
    if (!(await ports.intents.ordered(job, orderRef))) return { kind: 'lost' };
  }
  const answer = await ports.ask({ kind: 'collect', issuer, orderRef });
  if ('pending' in answer) {
    // Half as long again as it has waited so far.
    const waited = (ports.now() - intent.createdAt.getTime()) / 1000;
    const delay = Math.min(longestWaitSeconds, Math.max(firstWaitSeconds, Math.round(waited / 2)));
    return { kind: (await ports.intents.waitForCa(job, delay)) ? 'waiting' : 'lost' };
  }
  if (!('certificate' in answer)) throw refusal(answer);
  return { kind: 'issued', version: readVersion(ports.newId('cert'), answer, orderRef, managed, csr, names) };
}

function refusal(answer: ConnectorAnswer): CaError {
  if (answer.ok) return new CaError('internal', 'the connector answered something else');
  return new CaError(answer.final ? 'policyViolation' : 'unavailable', answer.detail, {
    ...(answer.retryAfter !== undefined && { retryAfter: answer.retryAfter }),
  });
}

/** Holds what came to what was asked: the key, no name beyond those asked for, a life within the profile's, a chain whose signatures verify. */
function readVersion(
  id: string,
  answer: { readonly certificate: string; readonly chain: string },
  orderRef: string,
  managed: Managed,
  csr: CertificationRequest,
  names: readonly GeneralName[],
): ForeignVersion {
  const chain = (answer.chain.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(read);
  const leaf = read(answer.certificate);
  const parsed = parseCertificate(leaf.raw);
  const refuse = (what: string): never => {
    throw new CaError('policyViolation', `the CA's certificate ${what}`);
  };
  if (!parsed.spki.equals(csr.publicKey.spki)) refuse('is for another key');
  const asked = new Set(names.map(nameKey));
  const given = parsed.subjectAltNames.map(nameKey);
  if (given.length === 0 || given.some((name) => !asked.has(name))) refuse('has other names than the CSR');
  if (parsed.notAfter.getTime() - parsed.notBefore.getTime() > managed.profile.validitySeconds * 1000 + backdatingMs)
    refuse('lives longer than the profile allows');
  [leaf, ...chain].forEach((certificate, index, all) => {
    const issuer = all[index + 1];
    if (issuer !== undefined && !(certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)))
      refuse('does not match its chain');
  });
  return {
    certificate: {
      id,
      caId: undefined,
      crlShard: undefined,
      serial: parsed.serial,
      certificate: leaf.raw,
      commonName: parsed.commonNames[0],
      sans: parsed.subjectAltNames.flatMap((name) => (name.type === 'other' ? [] : [{ type: name.type, value: name.value }])),
      spkiSha256: createHash('sha256').update(parsed.spki).digest(),
      notBefore: parsed.notBefore,
      notAfter: parsed.notAfter,
    },
    issuerId: managed.issuer.id,
    chain: chain.map((certificate) => toPem('CERTIFICATE', certificate.raw)).join(''),
    vendorRef: orderRef,
  };
}

function read(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new CaError('policyViolation', 'the CA sent something that is no certificate', { cause });
  }
}

function nameKey(name: GeneralName): string {
  return name.type === 'other' ? `other:${Buffer.from(name.der).toString('hex')}` : `${name.type}:${name.value.toLowerCase()}`;
}
