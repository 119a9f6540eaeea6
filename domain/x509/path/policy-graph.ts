import { Oid } from '../oids.ts';

/**
 * One policy at one depth (RFC 9618 §5.2). RFC 5280's tree of the same facts grows exponentially with the depth; nodes of a graph with several parents
 * do not.
 */
interface PolicyNode {
  readonly policy: string;
  expected: ReadonlySet<string>;
  readonly parents: readonly PolicyNode[];
}

type Level = ReadonlyMap<string, PolicyNode>;

/** Depths from the anchor down; undefined when no policy is left. */
export type PolicyGraph = readonly Level[] | undefined;

export interface PolicyMapping {
  readonly issuerDomainPolicy: string;
  readonly subjectDomainPolicy: string;
}

const any = Oid.anyPolicy;

/** The graph before the first certificate (RFC 9618 §5.3). */
export function initialGraph(): PolicyGraph {
  return [new Map([[any, { policy: any, expected: new Set([any]), parents: [] }]])];
}

/**
 * The graph after the policies of one more certificate (RFC 9618 §5.4, step (d)).
 *
 * @param anyAllowed whether anyPolicy counts in this certificate
 */
export function withPolicies(graph: PolicyGraph, policies: readonly string[], anyAllowed: boolean): PolicyGraph {
  const above = graph?.at(-1);
  if (graph === undefined || above === undefined) return undefined;
  const expecting = new Map<string, PolicyNode[]>();
  for (const node of above.values())
    for (const policy of node.expected) {
      const nodes = expecting.get(policy);
      if (nodes === undefined) expecting.set(policy, [node]);
      else nodes.push(node);
    }
  const level = new Map<string, PolicyNode>();
  const add = (policy: string, parents: readonly PolicyNode[]): void => {
    level.set(policy, { policy, expected: new Set([policy]), parents });
  };
  const anyAbove = above.get(any);
  for (const policy of policies) {
    if (policy === any) continue;
    const parents = expecting.get(policy) ?? (anyAbove === undefined ? undefined : [anyAbove]);
    if (parents !== undefined) add(policy, parents);
  }
  if (anyAllowed && policies.includes(any)) for (const [policy, parents] of expecting) if (!level.has(policy)) add(policy, parents);
  return pruned([...graph, level]);
}

/**
 * The graph after a CA's policy mappings (RFC 9618 §5.5, step (b)).
 *
 * @param allowed false when mapping is inhibited: what would have been mapped is not valid any more
 */
export function withMappings(graph: PolicyGraph, mappings: readonly PolicyMapping[], allowed: boolean): PolicyGraph {
  const level = graph?.at(-1);
  if (graph === undefined || level === undefined || mappings.length === 0) return graph;
  const mapped = new Map<string, Set<string>>();
  for (const { issuerDomainPolicy, subjectDomainPolicy } of mappings) {
    const targets = mapped.get(issuerDomainPolicy);
    if (targets === undefined) mapped.set(issuerDomainPolicy, new Set([subjectDomainPolicy]));
    else targets.add(subjectDomainPolicy);
  }
  const next = new Map(level);
  const anyAbove = graph.at(-2)?.get(any);
  for (const [policy, targets] of mapped) {
    const node = level.get(policy);
    if (!allowed) next.delete(policy);
    else if (node !== undefined) next.set(policy, { ...node, expected: targets });
    else if (level.has(any) && anyAbove !== undefined) next.set(policy, { policy, expected: targets, parents: [anyAbove] });
  }
  return pruned([...graph.slice(0, -1), next]);
}

/** Without nodes that have no child in the next depth; undefined when the last depth is empty. */
function pruned(levels: readonly Level[]): PolicyGraph {
  const kept = [...levels];
  for (let depth = kept.length - 1; depth >= 0; depth--) {
    const level = kept[depth];
    if (level === undefined || level.size === 0) return undefined;
    const alive = new Set(Array.from(level.values(), (node) => node.parents).flat());
    const above = kept[depth - 1];
    if (above !== undefined && alive.size < above.size) kept[depth - 1] = new Map([...above].filter(([, node]) => alive.has(node)));
  }
  return kept;
}

/**
 * The policies, in the anchor's own words, under which a path is valid for who accepts only some (RFC 9618 §5.6, step (g)).
 *
 * @param accepted user-initial-policy-set; anyPolicy stands for all
 */
export function userPolicies(graph: PolicyGraph, accepted: ReadonlySet<string>): ReadonlySet<string> {
  if (graph === undefined) return new Set();
  const authority = new Set<string>();
  for (const level of graph.slice(1))
    for (const node of level.values())
      if (node.policy !== any && node.parents.some((parent) => parent.policy === any)) authority.add(node.policy);
  const anyLeft = graph.at(-1)?.has(any) === true;
  if (accepted.has(any)) return anyLeft ? authority.add(any) : authority;
  return anyLeft ? accepted : new Set([...authority].filter((policy) => accepted.has(policy)));
}
