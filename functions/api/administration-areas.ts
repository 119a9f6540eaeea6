import * as z from 'zod';
import { lastSeen } from '#adapters/dynamodb/last-seen.ts';
import { starter } from '#adapters/lambda/starter.ts';
import { apiKeys } from '#adapters/postgres/api-keys.ts';
import { iamMappings } from '#adapters/postgres/iam-mappings.ts';
import { jobAdministration } from '#adapters/postgres/job-administration.ts';
import { loopSettingsStore } from '#adapters/postgres/loop-settings.ts';
import { notificationAdministration } from '#adapters/postgres/notification-administration.ts';
import { ownerRecords, teamRecords } from '#adapters/postgres/people.ts';
import { schemaHead } from '#adapters/postgres/schema-version.ts';
import { statistics } from '#adapters/postgres/statistics.ts';
import { anchorStore } from '#adapters/s3/anchors.ts';
import { deferredBucket } from '#adapters/s3/deferred-bucket.ts';
import { chance } from '../shared/chance.ts';
import { newId } from '../shared/new-id.ts';
import type { Shared } from './connected.ts';
import type { Area } from './router.ts';

/** Who may call, who answers for what, what was done, and how the platform is. */
export function administrationAreas({
  settings,
  database,
  dynamodb,
  gates,
  sealed,
  trail,
  wake,
  now,
  hint,
  hintJob,
}: Shared): readonly Area[] {
  const bucket = deferredBucket(settings.ARTIFACT_BUCKET);
  const door = z.object({ suffix: z.string() }).optional();
  const doorSuffix = door.parse(settings.CONNECTOR_DOOR === undefined ? undefined : JSON.parse(settings.CONNECTOR_DOOR))?.suffix;
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
          reader: (await import('#adapters/postgres/audit-rows.ts')).chainReader(database),
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
      under: ['teams', 'owners'],
      load: async () =>
        (await import('./people.ts')).peopleOperations({ teams: teamRecords(database), owners: ownerRecords(database), newId }),
    },
    {
      under: ['stats'],
      load: async () => (await import('./statistics.ts')).statisticsOperations({ store: statistics(database) }),
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
