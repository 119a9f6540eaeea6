import { connectorAgentId } from '../agent/connector.ts';
import { CaError } from '../error.ts';
import { assertKeyAllowed } from '../issuance/key-policy.ts';
import { prepareLeaf, signIntent, type SigningAuthority } from '../issuance/issue.ts';
import { nameIsAllowed } from '../issuance/name-policy.ts';
import type { Profile } from '../issuance/profile.ts';
import { publicNameRefusal } from '../issuance/public-names.ts';
import { backoffSeconds } from '../job/backoff.ts';
import { isTransient, reasonOf } from '../job/failure.ts';
import type { ClaimedJob } from '../job/job.ts';
import type { Outcome, Runner } from '../job/outcome.ts';
import type { CrlShard } from '../revocation/crl-scope.ts';
import { parseCsr, type CertificationRequest } from '../x509/csr.ts';
import type { GeneralName } from '../x509/general-name.ts';
import { newSerial } from '../x509/serial.ts';
import type { ConnectorAnswer, ConnectorCall } from '../connector/call.ts';
import { issueElsewhere, type IntentStore } from './foreign-issuance.ts';
import type { Managed, ManagedIssuanceStore, NewVersion } from './managed-issuance.ts';
import { nextAlert, renewalTime } from './renewal-time.ts';

export interface IssueManagedPorts {
  readonly store: ManagedIssuanceStore;
  readonly intents: IntentStore;
  readonly ask: (call: ConnectorCall) => Promise<ConnectorAnswer>;
  /** A CSR of a new key for a job of the connector, DER; undefined: the lease is lost. */
  readonly connectorKey: (job: ClaimedJob, managed: Managed) => Promise<Uint8Array | undefined>;
  readonly authority: (caId: string) => Promise<SigningAuthority>;
  readonly crlShards: (caId: string) => Promise<readonly CrlShard[]>;
  readonly random: (bytes: number) => Uint8Array;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly newId: (prefix: string) => string;
  readonly pkiBaseUrl: string;
}

const blockedKey = 'the key was revoked for keyCompromise: hand in a CSR of a new key';

/** Issues or renews a managed certificate. A failure that may heal comes back by the policy's interval; a refusal ends the job. */
export function issueManaged(ports: IssueManagedPorts): Runner {
  const conclude = async (job: ClaimedJob, reason: string): Promise<Outcome> => ({
    kind: (await ports.store.giveUp(job, reason)) ? 'failed' : 'lost',
  });
  return {
    conclude,
    async run(job) {
      const managed = await ports.store.load(job);
      if (managed === undefined) return { kind: 'lost' };
      try {
        return await issue(ports, job, managed);
      } catch (error) {
        if (!isTransient(error) || job.attempts >= job.maxAttempts) return conclude(job, reasonOf(error));
        const wait = error instanceof CaError ? error.retryAfter : undefined;
        const delay = wait ?? backoffSeconds(managed.policy.retryIntervalSeconds, job.attempts, fraction(ports));
        return { kind: (await ports.store.retryLater(job, delay, reasonOf(error))) ? 'waiting' : 'lost' };
      }
    },
  };
}

async function issue(ports: IssueManagedPorts, job: ClaimedJob, managed: Managed): Promise<Outcome> {
  if (managed.state === 'held' || managed.state === 'revoked' || managed.state === 'archived')
    throw new CaError('policyViolation', `the certificate is ${managed.state}`);
  if (!managed.issuer.enabled) throw new CaError('policyViolation', 'the issuer is disabled');
  if (managed.brokenRules.length > 0)
    throw new CaError('policyViolation', `the certificate breaks a rule: ${managed.brokenRules.join(', ')}`);
  const ofConnector = job.agentId === connectorAgentId;
  if (managed.csr === undefined && !ofConnector) return { kind: (await ports.store.awaitCsr(job)) ? 'waiting' : 'lost' };
  const der = managed.csr ?? (await ports.connectorKey(job, managed));
  if (der === undefined) return { kind: 'lost' };
  const csr = parseCsr(der);
  if (await ports.store.isBlocked(csr.publicKey.spki)) {
    if (!managed.csrKept || ofConnector) throw new CaError('badCsr', blockedKey);
    return { kind: (await ports.store.awaitCsr(job, blockedKey)) ? 'waiting' : 'lost' };
  }
  assertIssuable(csr, managed.profile);
  if (managed.profile.requiresApproval) assertNamesApproved(csr, managed.names);
  const { issuer } = managed;
  if (issuer.type === 'local') {
    const version = await local(ports, job, managed, csr);
    if (version === undefined) return { kind: 'lost' };
    return { kind: (await ports.store.complete(job, version)) ? 'done' : 'lost' };
  }
  const collected = await issueElsewhere(ports, job, { ...managed, issuer: { ...issuer, type: issuer.type } }, csr, requestedNames(csr));
  if (collected.kind !== 'issued') return collected;
  const version = { ...collected.version, ...due(ports, managed, collected.version.certificate) };
  if (await ports.store.complete(job, version)) return { kind: 'done' };
  await ports.store.keepOrphan(job, version);
  return { kind: 'lost' };
}

/** The names that a CSR asks for: its subjectAltName, and its common name where that is a dns name that the others lack. */
export function requestedNames(csr: CertificationRequest): readonly GeneralName[] {
  const names = [...csr.subjectAltNames];
  for (const value of csr.commonNames) {
    if (value.includes('.') && !names.some((name) => name.type === 'dns' && name.value.toLowerCase() === value.toLowerCase())) {
      names.push({ type: 'dns', value: value.toLowerCase() });
    }
  }
  return names;
}

/**
 * Holds a CSR to its profile: key, names, no CA.
 *
 * @throws {CaError} `badCsr`, `rejectedIdentifier`
 */
export function assertIssuable(csr: CertificationRequest, profile: Profile): void {
  if (csr.isCa) throw new CaError('badCsr', 'the CSR asks for a CA certificate');
  assertKeyAllowed(csr.publicKey, profile.keyRules);
  assertNamesAllowed(requestedNames(csr), profile);
}

/**
 * Holds the names of a certificate to its profile.
 *
 * @throws {CaError} `badCsr`, `rejectedIdentifier`
 */
export function assertNamesAllowed(names: readonly GeneralName[], profile: Profile): void {
  if (names.length === 0) throw new CaError('badCsr', 'the CSR has no subjectAltName');
  if (names.length > profile.maxIdentifiers) throw new CaError('badCsr', `the profile allows ${profile.maxIdentifiers} names`);
  for (const name of names) {
    if (name.type === 'other') throw new CaError('badCsr', 'the CSR has a name of a kind that is not supported');
    if (!nameIsAllowed(name, profile.allowedNames)) throw new CaError('rejectedIdentifier', `the profile does not allow ${name.value}`);
    if (name.type === 'dns' && name.value.startsWith('*.') && !profile.allowWildcards)
      throw new CaError('rejectedIdentifier', 'the profile allows no wildcards');
    const refusal = publicNameRefusal(name, profile);
    if (refusal !== undefined) throw new CaError('rejectedIdentifier', refusal);
  }
}

/**
 * What somebody said yes to are these names and no others, whatever CSR came since.
 *
 * @throws {CaError} `badCsr`
 */
function assertNamesApproved(csr: CertificationRequest, names: Managed['names']): void {
  const text = (all: Managed['names']): string =>
    all
      .map(({ type, value }) => `${type}:${value}`)
      .sort()
      .join(' ');
  const asked = requestedNames(csr).flatMap((name) => (name.type === 'other' ? [] : [{ type: name.type, value: name.value }]));
  if (text(asked) !== text(names)) throw new CaError('badCsr', 'the CSR has other names than those that were approved');
}

/** Reserve, sign, and say when it is due again; undefined when the lease was lost. */
async function local(
  ports: IssueManagedPorts,
  job: ClaimedJob,
  managed: Managed,
  csr: CertificationRequest,
): Promise<NewVersion | undefined> {
  const authority = await ports.authority(managed.issuer.issuingCaId ?? managed.profile.caId);
  const crlShards = await ports.crlShards(authority.id);
  const intent = await ports.store.reserve(
    job,
    prepareLeaf({
      authority,
      profile: csr.mustStaple ? { ...managed.profile, mustStaple: true } : managed.profile,
      idempotencyKey: job.id,
      serial: newSerial(ports.random(16)),
      publicKey: csr.publicKey,
      names: requestedNames(csr),
      now: ports.now(),
      pkiBaseUrl: ports.pkiBaseUrl,
      crlShards,
    }),
  );
  if (intent === undefined) return undefined;
  const signer = intent.caId === authority.id ? authority.signer : (await ports.authority(intent.caId)).signer;
  const certificate = await signIntent(intent, signer, ports.newId('cert'));
  return { certificate, issuerId: managed.issuer.id, chain: undefined, vendorRef: undefined, ...due(ports, managed, certificate) };
}

function due(
  ports: IssueManagedPorts,
  managed: Managed,
  life: { readonly notBefore: Date; readonly notAfter: Date },
): { readonly renewAt: Date; readonly alertAt: Date | undefined } {
  return {
    renewAt: renewalTime(life, managed.policy.windowDays, fraction(ports)),
    alertAt: nextAlert(life.notAfter, managed.policy.alertThresholdDays, new Date(ports.now()))?.at,
  };
}

function fraction(ports: Pick<IssueManagedPorts, 'random'>): number {
  return Buffer.from(ports.random(4)).readUInt32BE() / 2 ** 32;
}
