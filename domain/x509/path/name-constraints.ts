import { children, cursor, DerError, Tag, type Element } from '../../asn1/der.ts';
import { spend, type Budget } from './budget.ts';
import { PathFault } from './fault.ts';
import { readFormedName, type FormedName } from './name-form.ts';
import { holds, isWellFormed, type Subtree } from './subtree.ts';

/** The nameConstraints extension (RFC 5280 §4.2.1.10). */
export interface NameConstraints {
  readonly permitted: readonly Subtree[];
  readonly excluded: readonly Subtree[];
}

/** What the CAs of a path together leave of the names: each set of permitted subtrees holds, and no excluded subtree (RFC 5280 §6.1.2 (b), (c)). */
export interface NameSpace {
  readonly permitted: readonly (readonly Subtree[])[];
  readonly excluded: readonly Subtree[];
}

export const everyName: NameSpace = { permitted: [], excluded: [] };

const maxSubtrees = 4096;

/** Reads NameConstraints; minimum and maximum have no meaning here and must be absent. @throws {DerError} */
export function readNameConstraints(element: Element): NameConstraints {
  const parts = cursor(element, Tag.sequence);
  const permitted = parts.maybe(0xa0);
  const excluded = parts.maybe(0xa1);
  parts.end();
  if (permitted === undefined && excluded === undefined) throw new DerError('name constraints without any');
  return { permitted: readSubtrees(permitted), excluded: readSubtrees(excluded) };
}

function readSubtrees(element: Element | undefined): readonly Subtree[] {
  if (element === undefined) return [];
  const subtrees = children(element, maxSubtrees).map((subtree) => {
    const parts = cursor(subtree, Tag.sequence);
    const base = parts.next();
    parts.end();
    return readSubtree(base);
  });
  if (subtrees.length === 0) throw new DerError('an empty list of subtrees');
  return subtrees;
}

/** Reads the base of a subtree. @throws {DerError} */
export function readSubtree(base: Element): Subtree {
  const subtree = { ...readFormedName(base), der: base.raw };
  if (!isWellFormed(subtree)) throw new DerError('a malformed subtree');
  return subtree;
}

/** What is left after one more CA (RFC 5280 §6.1.4 (g)). */
export function narrow(space: NameSpace, constraints: NameConstraints): NameSpace {
  return {
    permitted: constraints.permitted.length === 0 ? space.permitted : [...space.permitted, constraints.permitted],
    excluded: [...space.excluded, ...constraints.excluded],
  };
}

/**
 * Refuses a certificate one of whose names lies outside (RFC 5280 §6.1.3 (b), (c)).
 *
 * @throws {PathFault} `name_constraint_violation`, `too_complex`
 */
export function assertNamesInside(space: NameSpace, names: readonly FormedName[], budget: Budget): void {
  for (const name of names) {
    if (space.excluded.some((subtree) => meets(subtree, name, true, budget)))
      throw new PathFault('name_constraint_violation', `${describe(name)} is excluded by the name constraints of a CA`);
    for (const permitted of space.permitted) {
      spend(budget, 'comparisons', permitted.length);
      const ofItsForm = permitted.filter((subtree) => sameForm(subtree, name));
      if (ofItsForm.length > 0 && !ofItsForm.some((subtree) => meets(subtree, name, false, budget)))
        throw new PathFault('name_constraint_violation', `${describe(name)} is not permitted by the name constraints of a CA`);
    }
  }
}

/** Whether both are of one form, so that the one can constrain the other. */
export function sameForm(one: FormedName, other: FormedName): boolean {
  return one.form === other.form && (one.form !== 'other' || other.form !== 'other' || one.kind === other.kind);
}

function meets(subtree: Subtree, name: FormedName, excluded: boolean, budget: Budget): boolean {
  spend(budget, 'comparisons');
  if (!sameForm(subtree, name)) return false;
  const inside = holds(subtree, name, excluded);
  // Where nothing can be said of a name that is constrained, the certificate is refused (RFC 5280 §4.2.1.10).
  if (inside === undefined) throw new PathFault('name_constraint_violation', `${describe(name)} cannot be compared with name constraints`);
  return inside;
}

/** A name as a refusal may show it. */
export function describe(name: FormedName): string {
  if ('value' in name) return JSON.stringify(name.value.slice(0, 256));
  if (name.form === 'ip') return `the address ${name.octets.toString('hex').slice(0, 64)}`;
  return name.form === 'directory' ? 'a directory name' : `a name of form ${name.kind}`;
}
