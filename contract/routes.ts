import * as access from './access.ts';
import * as agentDiscoveries from './agent-discoveries.ts';
import * as agentGroups from './agent-groups.ts';
import * as agentProtocol from './agent-protocol.ts';
import * as agents from './agents.ts';
import * as audit from './audit.ts';
import * as certificates from './certificates.ts';
import * as crossCertificates from './cross-certificates.ts';
import * as deployments from './deployments.ts';
import * as discoveries from './discoveries.ts';
import * as eabKeys from './eab-keys.ts';
import * as enrolmentTokens from './enrolment-tokens.ts';
import * as health from './health.ts';
import * as iamMappings from './iam-mappings.ts';
import * as intermediates from './intermediates.ts';
import * as issuers from './issuers.ts';
import * as jobs from './jobs.ts';
import * as loops from './loops.ts';
import * as meta from './meta.ts';
import * as notifications from './notifications.ts';
import * as profiles from './profiles.ts';
import * as signerKeys from './signer-keys.ts';
import * as targets from './targets.ts';
import * as acme from './acme.ts';
import * as approvals from './approvals.ts';
import * as people from './people.ts';
import * as policies from './policies.ts';
import * as renewalPolicies from './renewal-policies.ts';
import * as revocations from './revocations.ts';
import * as statistics from './statistics.ts';
import type { Route } from './route.ts';

const resources = {
  access: access,
  'agent-discoveries': agentDiscoveries,
  'agent-groups': agentGroups,
  'agent-protocol': agentProtocol,
  agents: agents,
  audit: audit,
  certificates: certificates,
  'cross-certificates': crossCertificates,
  deployments: deployments,
  discoveries: discoveries,
  'eab-keys': eabKeys,
  'enrolment-tokens': enrolmentTokens,
  health: health,
  'iam-mappings': iamMappings,
  intermediates: intermediates,
  issuers: issuers,
  jobs: jobs,
  loops: loops,
  meta: meta,
  notifications: notifications,
  profiles: profiles,
  'signer-keys': signerKeys,
  targets: targets,
  acme: acme,
  approvals: approvals,
  people: people,
  policies: policies,
  'renewal-policies': renewalPolicies,
  revocations: revocations,
  statistics: statistics,
} as const;

/** A route and the resource whose file declares it. */
export interface Listed {
  readonly resource: string;
  readonly route: Route;
}

/** Every route there is, found in the files of the resources: who declares one there has added it everywhere. */
export const routes: readonly Listed[] = Object.entries(resources).flatMap(([resource, file]) =>
  Object.values<unknown>(file)
    .filter(isRoute)
    .map((route) => ({ resource, route }))
    .sort((a, b) => order(a.route, b.route)),
);

/** By path, then by method: files do not agree on the order of what they export. */
function order(a: Route, b: Route): number {
  const [left, right] = [a, b].map(({ path, method }) => `${path} ${method}`) as [string, string];
  return left < right ? -1 : 1;
}

function isRoute(value: unknown): value is Route {
  return typeof value === 'object' && value !== null && 'operation' in value && 'permission' in value;
}
