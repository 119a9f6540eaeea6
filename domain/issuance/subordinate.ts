import { CaError } from '../error.ts';
import { Oid } from '../x509/oids.ts';
import { sameForm, type NameConstraints, type NameSpace } from '../x509/path/name-constraints.ts';
import type { PathState } from '../x509/path/state.ts';
import { subtreeText } from '../x509/path/subtree-text.ts';
import { covers, type Subtree } from '../x509/path/subtree.ts';

/** What is asked for a CA below another. */
export interface SubordinateRequest {
  /** How many CAs may follow; undefined: as many as the CA above leaves. */
  readonly pathLength: number | undefined;
  readonly nameConstraints: NameConstraints;
  /** Dotted; undefined: what the CA above may be used for. */
  readonly extendedKeyUsages: readonly string[] | undefined;
  /** Dotted; undefined: none is asserted. */
  readonly policies: readonly string[] | undefined;
  readonly ttlSeconds: number;
}

/** What its certificate will say. */
export interface SubordinateTerms {
  readonly pathLength: number | undefined;
  readonly nameConstraints: NameConstraints;
  readonly extendedKeyUsages: readonly string[] | undefined;
  readonly policies: readonly string[] | undefined;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** What is allowed and likely a mistake. */
  readonly warnings: readonly string[];
}

const backdateMs = 5 * 60_000;
const shortestMs = 24 * 3_600_000;
const manyLevels = 5;

/**
 * Decides what a subordinate CA may be, by everything that the CAs above it say together and not by its parent alone.
 *
 * @param state where path validation stands below the parent
 * @param now milliseconds since the epoch
 * @throws {CaError} `hierarchyViolation`; its detail begins with the rule's name
 */
export function subordinateTerms(state: PathState, request: SubordinateRequest, now: number): SubordinateTerms {
  const { nameConstraints, warnings } = constraintsWithin(state.names, request.nameConstraints);
  const pathLength = pathLengthWithin(state.maxPathLength, request.pathLength);
  return {
    pathLength,
    nameConstraints,
    extendedKeyUsages: usagesWithin(state.usages, request.extendedKeyUsages),
    policies: policiesWithin(state, request.policies),
    ...validityWithin(state, request.ttlSeconds, now),
    warnings: [
      ...warnings,
      ...(pathLength !== undefined && pathLength > manyLevels ? [`a path length of ${pathLength} is more than hierarchies need`] : []),
    ],
  };
}

/** RFC 5280 §4.2.1.9. */
function pathLengthWithin(bound: number, wanted: number | undefined): number | undefined {
  if (bound < 1) throw new CaError('hierarchyViolation', 'path_length: path length exceeded, a CA above allows no CA below it');
  if (wanted !== undefined && wanted > bound - 1)
    throw new CaError('hierarchyViolation', `path_length: path length exceeded, at most ${bound - 1} is left by the CAs above`);
  return wanted ?? (Number.isFinite(bound) ? bound - 1 : undefined);
}

/** RFC 5280 §4.2.1.10: what is permitted may only shrink, what is excluded only grow. What the request leaves out is inherited. */
function constraintsWithin(space: NameSpace, wanted: NameConstraints): Pick<SubordinateTerms, 'nameConstraints' | 'warnings'> {
  for (const subtree of wanted.permitted) {
    for (const set of space.permitted) {
      const ofItsForm = set.filter((outer) => sameForm(outer, subtree));
      if (ofItsForm.length > 0 && !ofItsForm.some((outer) => covers(outer, subtree)))
        throw violation(`${subtreeText(subtree)} is not within what a CA above permits`);
    }
    if (space.excluded.some((outer) => covers(outer, subtree))) throw violation(`${subtreeText(subtree)} is excluded by a CA above`);
  }
  const excluded = [...wanted.excluded, ...space.excluded.filter((outer) => !wanted.excluded.some((own) => covers(own, outer)))];
  const inherited = inheritedPermitted(space).filter((outer) => !wanted.permitted.some((own) => sameForm(own, outer)));
  const permitted = [...wanted.permitted, ...inherited];
  return {
    nameConstraints: { permitted: unique(permitted), excluded: unique(excluded) },
    warnings: permitted
      .filter((subtree) => excluded.some((outer) => covers(subtree, outer)))
      .map((subtree) => `${subtreeText(subtree)} is permitted and partly excluded`),
  };
}

/** Of each form the narrowest set that a CA above gives: the last, since none may widen. */
function inheritedPermitted(space: NameSpace): readonly Subtree[] {
  const kept: Subtree[] = [];
  for (const set of [...space.permitted].reverse()) {
    const missing = set.filter((subtree) => !kept.some((known) => sameForm(known, subtree)));
    kept.push(...missing);
  }
  return kept;
}

function usagesWithin(limits: readonly ReadonlySet<string>[], wanted: readonly string[] | undefined): readonly string[] | undefined {
  const allowed = (usage: string): boolean => limits.every((limit) => limit.has(usage) || limit.has(Oid.anyExtendedKeyUsage));
  const refused = wanted?.find((usage) => !allowed(usage));
  if (refused !== undefined)
    throw new CaError('hierarchyViolation', `extended_key_usage: ${refused} is more than a CA above may be used for`);
  const last = limits.at(-1);
  return wanted ?? (last === undefined ? undefined : [...last].filter(allowed));
}

/** A policy that the CAs above do not assert would be void below them (RFC 5280 §6.1.3 (d)). */
function policiesWithin(state: PathState, wanted: readonly string[] | undefined): readonly string[] | undefined {
  if (wanted === undefined) return undefined;
  const above = state.policies?.at(-1);
  const expected = new Set(above === undefined ? [] : Array.from(above.values(), (node) => [...node.expected]).flat());
  const refused = wanted.find((policy) => !expected.has(policy) && !expected.has(Oid.anyPolicy));
  if (refused !== undefined) throw new CaError('hierarchyViolation', `policy: ${refused} is not asserted by the CAs above`);
  return wanted;
}

/** RFC 5280 §4.1.2.5: never longer than any CA above. */
function validityWithin(state: PathState, ttlSeconds: number, now: number): Pick<SubordinateTerms, 'notBefore' | 'notAfter'> {
  const second = Math.floor(now / 1000) * 1000;
  const notBefore = new Date(Math.max(second - backdateMs, state.notBefore.getTime()));
  const notAfter = new Date(Math.min(second + ttlSeconds * 1000, state.notAfter.getTime()));
  if (notAfter.getTime() - now < shortestMs) throw new CaError('hierarchyViolation', 'expired: less than a day of the CA above is left');
  return { notBefore, notAfter };
}

function unique(subtrees: readonly Subtree[]): readonly Subtree[] {
  return subtrees.filter((subtree, index) => subtrees.findIndex((other) => other.der.equals(subtree.der)) === index);
}

function violation(detail: string): CaError {
  return new CaError('hierarchyViolation', `name_constraint_violation: ${detail}`);
}
