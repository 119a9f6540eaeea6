import { Oid } from '../oids.ts';
import { keyIdentifier } from '../public-key.ts';
import { spend, type Budget } from './budget.ts';
import type { PathCertificate } from './certificate.ts';
import { sameName, type CanonicalName } from './distinguished-name.ts';
import { PathFault } from './fault.ts';
import { assertNamesInside, everyName, narrow, type NameSpace } from './name-constraints.ts';
import { initialGraph, userPolicies, withMappings, withPolicies, type PolicyGraph } from './policy-graph.ts';
import { assertSigned } from './signature.ts';

/** What the asker brings (RFC 5280 §6.1.1). */
export interface PathOptions {
  readonly at: Date;
  /** user-initial-policy-set; undefined: any policy. */
  readonly initialPolicies?: readonly string[];
  readonly initialExplicitPolicy?: boolean;
  readonly initialPolicyMappingInhibit?: boolean;
  readonly initialAnyPolicyInhibit?: boolean;
  /** Extended key usages that the end entity and every CA above it must allow, dotted. */
  readonly purposes?: readonly string[];
}

/** Where validation stands after the anchor and some CAs (RFC 5280 §6.1.2). It is never changed, so that many certificates can go on from one state. */
export interface PathState {
  readonly workingIssuer: CanonicalName;
  /** SubjectPublicKeyInfo, DER. */
  readonly workingKey: Buffer;
  readonly workingKeyIdentifier: Buffer;
  readonly maxPathLength: number;
  readonly names: NameSpace;
  readonly policies: PolicyGraph;
  /** Certificates that may still come before a policy is needed, mapping ends, or anyPolicy counts no more. */
  readonly explicitPolicy: number;
  readonly policyMapping: number;
  readonly inhibitAnyPolicy: number;
  /** One set for each CA that limits what its subordinates are for. */
  readonly usages: readonly ReadonlySet<string>[];
  /** When all of them are valid. */
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const certSign = 5;

/**
 * The state before the first certificate: what the anchor says of itself counts as it would for a CA below it (RFC 5937 §3.2).
 *
 * @throws {PathFault} `not_a_ca`, `key_usage`, `unknown_critical_extension`, `expired`, `not_yet_valid`
 */
export function initialState(anchor: PathCertificate, options: PathOptions): PathState {
  const bare: PathState = {
    workingIssuer: anchor.subject,
    workingKey: anchor.facts.spki,
    workingKeyIdentifier: keyIdentifierOf(anchor),
    maxPathLength: Number.POSITIVE_INFINITY,
    names: everyName,
    policies: initialGraph(),
    explicitPolicy: options.initialExplicitPolicy === true ? 0 : Number.POSITIVE_INFINITY,
    policyMapping: options.initialPolicyMappingInhibit === true ? 0 : Number.POSITIVE_INFINITY,
    inhibitAnyPolicy: options.initialAnyPolicyInhibit === true ? 0 : Number.POSITIVE_INFINITY,
    usages: [],
    notBefore: anchor.facts.notBefore,
    notAfter: anchor.facts.notAfter,
  };
  assertValidAt(anchor, options.at);
  assertMayIssue(anchor);
  assertUnderstood(anchor);
  return constrained(bare, anchor);
}

/**
 * The state after one more CA (RFC 5280 §6.1.3, §6.1.4).
 *
 * @throws {PathFault}
 */
export function afterAuthority(state: PathState, authority: PathCertificate, options: PathOptions, budget: Budget): PathState {
  const checked = basicProcessing(state, authority, false, options, budget);
  if (
    authority.policyMappings.some(
      (mapping) => mapping.issuerDomainPolicy === Oid.anyPolicy || mapping.subjectDomainPolicy === Oid.anyPolicy,
    )
  )
    throw new PathFault('policy', 'anyPolicy must not be mapped');
  const policies = withMappings(checked.policies, authority.policyMappings, checked.policyMapping > 0);
  assertMayIssue(authority);
  if (!authority.selfIssued && state.maxPathLength < 1) throw new PathFault('path_length', 'more CAs follow than a path length allows');
  assertUnderstood(authority);
  const step = authority.selfIssued ? 0 : 1;
  const less = (count: number): number => Math.max(0, count - step);
  return constrained(
    {
      ...checked,
      policies,
      workingIssuer: authority.subject,
      workingKey: authority.facts.spki,
      workingKeyIdentifier: keyIdentifierOf(authority),
      maxPathLength: state.maxPathLength - step,
      explicitPolicy: less(checked.explicitPolicy),
      policyMapping: less(checked.policyMapping),
      inhibitAnyPolicy: less(checked.inhibitAnyPolicy),
      notBefore: later(state.notBefore, authority.facts.notBefore),
      notAfter: earlier(state.notAfter, authority.facts.notAfter),
    },
    authority,
  );
}

/**
 * Checks the last certificate of a path (RFC 5280 §6.1.3, §6.1.5).
 *
 * @returns the policies under which the path is valid
 * @throws {PathFault}
 */
export function endEntity(state: PathState, certificate: PathCertificate, options: PathOptions, budget: Budget): ReadonlySet<string> {
  const checked = basicProcessing(state, certificate, true, options, budget);
  assertUnderstood(certificate);
  assertPurposes(state, certificate, options.purposes ?? []);
  // An end entity counts as a certificate, self-issued or not (§6.1.5 (a), (b)).
  const explicitPolicy = certificate.requireExplicitPolicy === 0 ? 0 : Math.max(0, checked.explicitPolicy - 1);
  const policies = userPolicies(checked.policies, new Set(options.initialPolicies ?? [Oid.anyPolicy]));
  if (explicitPolicy === 0 && policies.size === 0) throw new PathFault('policy', 'no policy that is asked for is valid');
  return policies;
}

/** RFC 5280 §6.1.3. */
function basicProcessing(state: PathState, certificate: PathCertificate, last: boolean, options: PathOptions, budget: Budget): PathState {
  if (!sameName(certificate.issuer, state.workingIssuer))
    throw new PathFault('name_chaining', 'the issuer is not the subject of the CA above');
  if (certificate.signature !== undefined) {
    spend(budget, 'signatures');
    assertSigned(state.workingKey, certificate.facts.signature, certificate.signature.tbs, certificate.signature.value);
  }
  assertValidAt(certificate, options.at);
  if (last || !certificate.selfIssued) assertNamesInside(state.names, certificate.names, budget);
  const anyAllowed = state.inhibitAnyPolicy > 0 || (!last && certificate.selfIssued);
  const policies = certificate.policies === undefined ? undefined : withPolicies(state.policies, certificate.policies, anyAllowed);
  if (state.explicitPolicy <= 0 && policies === undefined) throw new PathFault('policy', 'a policy is required and none is valid');
  return { ...state, policies };
}

/** RFC 5280 §6.1.4 (g), (i), (j), (m), and extended key usages, which a CA hands down (CA/Browser Forum BR §7.1.2.10.6). */
function constrained(state: PathState, authority: PathCertificate): PathState {
  const smaller = (count: number, limit: number | undefined): number => (limit === undefined ? count : Math.min(count, limit));
  const { extendedKeyUsage } = authority;
  return {
    ...state,
    names: authority.nameConstraints === undefined ? state.names : narrow(state.names, authority.nameConstraints),
    explicitPolicy: smaller(state.explicitPolicy, authority.requireExplicitPolicy),
    policyMapping: smaller(state.policyMapping, authority.inhibitPolicyMapping),
    inhibitAnyPolicy: smaller(state.inhibitAnyPolicy, authority.inhibitAnyPolicy),
    maxPathLength: smaller(state.maxPathLength, authority.pathLength),
    usages: extendedKeyUsage === undefined ? state.usages : [...state.usages, new Set(extendedKeyUsage)],
  };
}

/** RFC 5280 §6.1.4 (k), (n). */
function assertMayIssue(authority: PathCertificate): void {
  if (authority.facts.version !== 2 || !authority.isCa) throw new PathFault('not_a_ca', 'a certificate above another is not of a CA');
  if (authority.keyUsage?.has(certSign) === false) throw new PathFault('key_usage', 'the key of a CA is not for signing certificates');
}

function assertUnderstood(certificate: PathCertificate): void {
  const [unknown] = certificate.unknownCritical;
  if (unknown !== undefined) throw new PathFault('unknown_critical_extension', `the critical extension ${unknown} is not known`);
}

function assertValidAt(certificate: PathCertificate, at: Date): void {
  if (at < certificate.facts.notBefore) throw new PathFault('not_yet_valid', 'a certificate is not valid yet');
  if (at > certificate.facts.notAfter) throw new PathFault('expired', 'a certificate has expired');
}

function assertPurposes(state: PathState, certificate: PathCertificate, purposes: readonly string[]): void {
  const own = certificate.extendedKeyUsage === undefined ? [] : [new Set(certificate.extendedKeyUsage)];
  const limits = [...state.usages, ...own];
  for (const purpose of purposes)
    if (limits.some((allowed) => !allowed.has(purpose) && !allowed.has(Oid.anyExtendedKeyUsage)))
      throw new PathFault('extended_key_usage', `the extended key usage ${purpose} is not allowed on the whole path`);
}

function keyIdentifierOf(certificate: PathCertificate): Buffer {
  return certificate.subjectKeyIdentifier ?? keyIdentifier(certificate.facts.spki);
}

const later = (one: Date, other: Date): Date => (one > other ? one : other);
const earlier = (one: Date, other: Date): Date => (one < other ? one : other);
