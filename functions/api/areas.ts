import { agentCertificates } from '#adapters/postgres/agent-certificates.ts';
import { agentGroups } from '#adapters/postgres/agent-groups.ts';
import { agentWork } from '#adapters/postgres/agent-work.ts';
import { agentStore } from '#adapters/postgres/agents.ts';
import { bulkCertificates } from '#adapters/postgres/bulk-certificates.ts';
import { certificateTargets } from '#adapters/postgres/certificate-targets.ts';
import { dueOfConnector } from '#adapters/postgres/connector-jobs.ts';
import { deployments } from '#adapters/postgres/deployments.ts';
import { discoveredCertificates } from '#adapters/postgres/discovered-certificates.ts';
import { discoveryScans } from '#adapters/postgres/discovery-scans.ts';
import { enrolmentTokens } from '#adapters/postgres/enrolment-tokens.ts';
import { inspections } from '#adapters/postgres/inspections.ts';
import { managedCertificates } from '#adapters/postgres/managed-certificates.ts';
import { outboxStore } from '#adapters/postgres/outbox.ts';
import { profileAdministration } from '#adapters/postgres/profile-administration.ts';
import { targetStore } from '#adapters/postgres/targets.ts';
import { chance } from '../shared/chance.ts';
import { newId } from '../shared/new-id.ts';
import { agentTeller } from '../shared/tell-agents.ts';
import { administrationAreas } from './administration-areas.ts';
import { authorityAreas } from './authority-areas.ts';
import type { Connected } from './connected.ts';
import type { Area } from './router.ts';

/**
 * The operations by what their paths begin with. Each area is loaded when it is first asked for: the schemas of all routes were a third of a
 * start.
 */
export function areas(connected: Connected): readonly Area[] {
  const { settings, database, limiter, states, wake, now, hint } = connected;
  const hintJob = (jobId: string): Promise<void> => hint({ jobId });
  const profiles = profileAdministration(database);
  const groups = agentGroups(database);
  const agents = agentStore(database);
  const tell = agentTeller({
    states,
    outbox: outboxStore(database),
    hintConnector: async () => {
      for (const jobId of await dueOfConnector(database, 10)) await hintJob(jobId);
    },
  });
  const certificates = managedCertificates(database);
  const shared = { ...connected, hintJob, profiles, tell };
  return [
    ...administrationAreas(shared),
    ...authorityAreas(shared),
    {
      under: ['certificates'],
      load: async () =>
        (await import('./certificates.ts')).certificateOperations({
          store: certificates,
          ofAgents: agentCertificates(database),
          targets: certificateTargets(database),
          found: discoveredCertificates(database),
          tell,
          bulk: bulkCertificates(database),
          hintAt: hint,
          profile: (id) => profiles.profile(id),
          wake,
          hint: hintJob,
          newId,
          now,
        }),
    },
    {
      under: ['deployments', 'certificates'],
      load: async () =>
        (await import('./deployments.ts')).deploymentOperations({ store: deployments(database), certificates, groups, tell, wake }),
    },
    {
      under: ['agent-groups'],
      load: async () => (await import('./agent-groups.ts')).agentGroupOperations({ store: groups, newId }),
    },
    {
      under: ['targets'],
      load: async () =>
        (await import('./targets.ts')).targetOperations({
          store: targetStore(database),
          inspections: inspections(database),
          tell,
          wake,
          acmRegions: settings.CERTIFICATE_MANAGER_REGIONS.split(',').filter((region) => region !== ''),
          acmRoles: settings.CERTIFICATE_MANAGER_ROLES.split(' ').filter((role) => role !== ''),
          newId,
        }),
    },
    {
      under: ['agents'],
      load: async () => (await import('./agents.ts')).agentOperations({ store: agents, states, tell, wake, now }),
    },
    {
      under: ['agent-enrolment-tokens'],
      load: async () =>
        (await import('./enrolment-tokens.ts')).enrolmentTokenOperations({ store: enrolmentTokens(database), chance, newId }),
    },
    {
      under: ['agents'],
      load: async () =>
        (await import('./agent-protocol.ts')).agentProtocolOperations({
          agents,
          states,
          work: agentWork(database),
          limiter,
          tell,
          wake,
          hint: hintJob,
          newId,
          chance,
          minimumVersion: settings.AGENT_MINIMUM_VERSION,
          pace: { poll: settings.AGENT_POLL_SECONDS, heartbeat: settings.AGENT_HEARTBEAT_SECONDS },
        }),
    },
    {
      under: ['agents'],
      load: async () => (await import('./agent-discoveries.ts')).agentDiscoveryOperations({ scans: discoveryScans(database), newId }),
    },
    {
      under: ['discovered-certificates', 'discovery-scans', 'discovery-summary'],
      load: async () =>
        (await import('./discoveries.ts')).discoveryOperations({
          found: discoveredCertificates(database),
          scans: discoveryScans(database),
          certificates,
        }),
    },
  ];
}
