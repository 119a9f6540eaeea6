import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import * as z from 'zod';
import type { AgentStates } from '#adapters/dynamodb/agent-states.ts';
import type { Gates } from '#adapters/dynamodb/gates.ts';
import { lastSeen } from '#adapters/dynamodb/last-seen.ts';
import { profileMirror } from '#adapters/dynamodb/profile-mirror.ts';
import { signingClient } from '#adapters/kms/client.ts';
import type { Envelope } from '#adapters/kms/envelope.ts';
import { describeKmsKey } from '#adapters/kms/kms-signer.ts';
import { starter } from '#adapters/lambda/starter.ts';
import { acmeAdministration } from '#adapters/postgres/acme-administration.ts';
import { agentCertificates } from '#adapters/postgres/agent-certificates.ts';
import { agentGroups } from '#adapters/postgres/agent-groups.ts';
import { agentWork } from '#adapters/postgres/agent-work.ts';
import { agentStore } from '#adapters/postgres/agents.ts';
import { apiKeys } from '#adapters/postgres/api-keys.ts';
import { approvals } from '#adapters/postgres/approvals.ts';
import type { AuditTrail } from '#adapters/postgres/audit.ts';
import { authorityAdministration } from '#adapters/postgres/authority-administration.ts';
import { authoritySuccession } from '#adapters/postgres/authority-succession.ts';
import { authorityUpdate } from '#adapters/postgres/authority-update.ts';
import { bulkCertificates } from '#adapters/postgres/bulk-certificates.ts';
import { compromiseStore } from '#adapters/postgres/compromise.ts';
import { crossCertificateStore } from '#adapters/postgres/cross-certificates.ts';
import type { Database } from '#adapters/postgres/database.ts';
import { deployments } from '#adapters/postgres/deployments.ts';
import { discoveredCertificates } from '#adapters/postgres/discovered-certificates.ts';
import { discoveryScans } from '#adapters/postgres/discovery-scans.ts';
import { eabKeyAdministration } from '#adapters/postgres/eab-keys.ts';
import { enrolmentTokens } from '#adapters/postgres/enrolment-tokens.ts';
import { failingNameAdministration } from '#adapters/postgres/failing-names.ts';
import { iamMappings } from '#adapters/postgres/iam-mappings.ts';
import { inspections } from '#adapters/postgres/inspections.ts';
import { issuanceStore } from '#adapters/postgres/issuance.ts';
import { issuerStore } from '#adapters/postgres/issuers.ts';
import { jobAdministration } from '#adapters/postgres/job-administration.ts';
import { loopSettingsStore } from '#adapters/postgres/loop-settings.ts';
import { managedCertificates } from '#adapters/postgres/managed-certificates.ts';
import { notificationAdministration } from '#adapters/postgres/notification-administration.ts';
import { outboxStore } from '#adapters/postgres/outbox.ts';
import { ownerRecords, teamRecords } from '#adapters/postgres/people.ts';
import { policyRules } from '#adapters/postgres/policies.ts';
import { profileAdministration, replaceProfile } from '#adapters/postgres/profile-administration.ts';
import { renewalPolicyRecords } from '#adapters/postgres/renewal-policies.ts';
import { revocationLookUp } from '#adapters/postgres/revocation-list.ts';
import { schemaHead } from '#adapters/postgres/schema-version.ts';
import { signerKeyStore } from '#adapters/postgres/signer-keys.ts';
import { statistics } from '#adapters/postgres/statistics.ts';
import { targetStore } from '#adapters/postgres/targets.ts';
import { anchorStore } from '#adapters/s3/anchors.ts';
import { deferredBucket } from '#adapters/s3/deferred-bucket.ts';
import { jobQueue } from '#adapters/sqs/job-queue.ts';
import type { Profile } from '#domain/issuance/profile.ts';
import type { Limiter } from '#domain/limit/limiter.ts';
import { authorities } from '../shared/authorities.ts';
import { chance } from '../shared/chance.ts';
import { hinter } from '../shared/hint.ts';
import { newId } from '../shared/new-id.ts';
import { agentTeller } from '../shared/tell-agents.ts';
import type { Wake } from '../shared/wake.ts';
import { mirrorProfile } from './mirror-profile.ts';
import type { Area } from './router.ts';
import type { Settings } from './settings.ts';

/** What the operations are made of. */
export interface Connected {
  readonly settings: Settings;
  readonly database: Database;
  readonly dynamodb: DynamoDBClient;
  readonly gates: Gates;
  readonly sealed: Envelope;
  readonly limiter: Limiter;
  readonly trail: AuditTrail;
  readonly states: AgentStates;
  readonly wake: Wake;
  readonly now: () => number;
}

/**
 * The operations by what their paths begin with. Each area is loaded when it is first asked for: the schemas of all routes were a third of a
 * start.
 */
export function areas({ settings, database, dynamodb, gates, sealed, limiter, trail, states, wake, now }: Connected): readonly Area[] {
  const hint = hinter(jobQueue(settings.JOB_QUEUE_URL));
  const hintJob = (jobId: string): Promise<void> => hint({ jobId });
  const profiles = profileAdministration(database);
  const bucket = deferredBucket(settings.ARTIFACT_BUCKET);
  const approvalStore = approvals(database, replaceProfile);
  const mirror = profileMirror(dynamodb, settings.STATE_TABLE);
  const mirrorOf = (profile: Profile): Promise<void> => mirrorProfile({ store: profiles, mirror }, profile);
  const door = z.object({ suffix: z.string() }).optional();
  const doorSuffix = door.parse(settings.CONNECTOR_DOOR === undefined ? undefined : JSON.parse(settings.CONNECTOR_DOOR))?.suffix;
  const groups = agentGroups(database);
  const agents = agentStore(database);
  const tell = agentTeller({ agents, states, outbox: outboxStore(database) });
  const certificates = managedCertificates(database);
  return [
    {
      under: ['health', 'ready'],
      load: async () =>
        (await import('./health.ts')).healthOperations({
          seen: lastSeen(dynamodb, settings.STATE_TABLE, 'database'),
          head: () => schemaHead(database),
          wanted: settings.SCHEMA_HEAD,
          chance,
        }),
    },
    {
      under: ['openapi.json'],
      load: async () => (await import('./meta.ts')).metaOperations({ publicBaseUrl: settings.PUBLIC_BASE_URL }),
    },
    {
      under: ['audit'],
      load: async () =>
        (await import('./audit.ts')).auditOperations({
          trail,
          anchors: anchorStore(bucket.artifacts),
          ...bucket,
          wake,
          newId,
          now,
        }),
    },
    {
      under: ['auth'],
      load: async () => (await import('./access.ts')).accessOperations({ store: apiKeys(database), chance, newId }),
    },
    {
      under: ['auth'],
      load: async () => (await import('./iam-mappings.ts')).iamMappingOperations({ store: iamMappings(database), newId }),
    },
    {
      under: ['profiles'],
      load: async () =>
        (await import('./profiles.ts')).profileOperations({
          store: profiles,
          mirror,
          publicBaseUrl: settings.PUBLIC_BASE_URL,
          now,
          askApproval: async (proposed, baseVersion, actor) => {
            await wake('jobTimeout');
            return (await approvalStore.askProfileEdit(newId('ar'), proposed, baseVersion, actor)).id;
          },
        }),
    },
    {
      under: ['approvals'],
      load: async () =>
        (await import('./approvals.ts')).approvalOperations({
          store: approvalStore,
          wake,
          hint: hintJob,
          tell,
          mirror: mirrorOf,
        }),
    },
    {
      under: ['teams', 'owners'],
      load: async () =>
        (await import('./people.ts')).peopleOperations({ teams: teamRecords(database), owners: ownerRecords(database), newId }),
    },
    {
      under: ['renewal-policies'],
      load: async () =>
        (await import('./renewal-policies.ts')).renewalPolicyOperations({ store: renewalPolicyRecords(database), newId, wake }),
    },
    {
      under: ['policies', 'policy-violations'],
      load: async () => (await import('./policies.ts')).policyOperations({ store: policyRules(database), newId }),
    },
    {
      under: ['acme'],
      load: async () =>
        (await import('./acme.ts')).acmeOperations({
          store: acmeAdministration(database),
          failingNames: failingNameAdministration(database),
        }),
    },
    {
      under: ['revocations'],
      load: async () => (await import('./revocations.ts')).revocationOperations({ store: revocationLookUp(database) }),
    },
    {
      under: ['stats'],
      load: async () => (await import('./statistics.ts')).statisticsOperations({ store: statistics(database) }),
    },
    {
      under: ['certificate-authorities'],
      load: async () =>
        (await import('./cross-certificates.ts')).crossCertificateOperations({ store: crossCertificateStore(database), chance }),
    },
    {
      under: ['intermediates', 'issuers'],
      load: async () =>
        (await import('./intermediates.ts')).intermediateOperations({
          store: { ...authorityAdministration(database, settings.PKI_BASE_URL), ...authorityUpdate(database, settings.PKI_BASE_URL) },
          compromises: compromiseStore(database),
          keys: signerKeyStore(database),
          envelope: sealed,
          authority: authorities(issuanceStore(database), sealed),
          chance,
          newId,
          pkiBaseUrl: settings.PKI_BASE_URL,
          wake,
          hint: hintJob,
          succession: authoritySuccession(database, settings.PKI_BASE_URL),
          moved: async (ids) => {
            for (const id of ids) {
              const profile = await profiles.profile(id);
              if (profile !== undefined) await mirrorOf(profile);
            }
          },
        }),
    },
    {
      under: ['signer-keys'],
      load: async () =>
        (await import('./signer-keys.ts')).signerKeyOperations({
          keys: signerKeyStore(database),
          envelope: sealed,
          describe: (arn) => describeKmsKey(signingClient(), arn),
          newId,
        }),
    },
    {
      under: ['eab-keys'],
      load: async () =>
        (await import('./eab-keys.ts')).eabKeyOperations({ store: eabKeyAdministration(database), envelope: sealed, chance }),
    },
    {
      under: ['certificates'],
      load: async () =>
        (await import('./certificates.ts')).certificateOperations({
          store: certificates,
          ofAgents: agentCertificates(database),
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
    {
      under: ['issuers'],
      load: async () => (await import('./issuers.ts')).issuerOperations({ store: issuerStore(database), newId }),
    },
    {
      under: ['jobs'],
      load: async () => (await import('./jobs.ts')).jobOperations({ store: jobAdministration(database), wake, hint: hintJob }),
    },
    {
      under: ['admin'],
      load: async () =>
        (await import('./loops.ts')).loopOperations({
          store: loopSettingsStore(database),
          gates,
          start: starter(z.record(z.string(), z.string()).parse(JSON.parse(settings.LOOP_FUNCTIONS))),
          newId,
          now,
        }),
    },
    {
      under: ['notifications', 'notification-channels'],
      load: async () =>
        (await import('./notifications.ts')).notificationOperations({
          store: notificationAdministration(database),
          envelope: sealed,
          chance,
          newId,
          wake,
          hint: (notificationId) => hint({ notificationId }),
          doorSuffix,
        }),
    },
  ];
}
