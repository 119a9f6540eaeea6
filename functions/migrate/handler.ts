import { join } from 'node:path';
import type { CloudFormationCustomResourceEvent, Context } from 'aws-lambda';
import type pg from 'pg';
import * as z from 'zod';
import { dynamodbClient } from '#adapters/dynamodb/client.ts';
import { lastSeen } from '#adapters/dynamodb/last-seen.ts';
import { profileMirror } from '#adapters/dynamodb/profile-mirror.ts';
import { envelope } from '#adapters/kms/envelope.ts';
import { makeShards } from '#adapters/postgres/crl-shards.ts';
import { profileColumns, profileOf, type ProfileRow } from '#adapters/postgres/profiles.ts';
import { crlUrlBase } from '#domain/revocation/crl-scope.ts';
import { toPem } from '#domain/x509/pem.ts';
import { chance } from '../shared/chance.ts';
import { environment } from '../shared/environment.ts';
import { log } from '../shared/log.ts';
import { measure } from '../shared/metrics.ts';
import { actionSchema, type Action } from './action.ts';
import { createAdminToken } from './admin-token.ts';
import { applyMigrations, type Applied } from './apply.ts';
import { withClient } from './connection.ts';
import { answerCloudFormation, type ResourceAnswer } from './custom-resource.ts';
import { dryRun } from './dry-run.ts';
import { readManifest } from './manifest.ts';
import { repair } from './repair.ts';
import { grantRuntime } from './roles.ts';
import { seed } from './seed.ts';
import { schemaStatus } from './status.ts';

const settingsSchema = z.object({
  ...environment.database,
  ...environment.state,
  ...environment.envelope,
  ...environment.urls,
  RUNTIME_ROLE: z.string().default('certctl_runtime'),
  CERTCTL_RELEASE: z.string().default('unreleased'),
  LAMBDA_TASK_ROOT: z.string(),
  /** How long one waits for another runner. */
  MIGRATION_LOCK_WAIT_MS: z.coerce.number().int().positive().max(300_000).default(300_000),
});
type Settings = z.infer<typeof settingsSchema>;

const answerMarginMs = 20_000;

/**
 * The migration resource. CloudFormation's events apply what is missing and always get an answer; operators invoke it with an action.
 *
 * @throws {Error} what an action fails with, and, behind CDK's framework, why the schema was not brought up to date
 */
export async function handler(event: unknown, context: Context): Promise<unknown> {
  if (isResourceEvent(event)) return resourceHandler(event, context);
  const action = actionSchema.parse(event);
  const settings = settingsSchema.parse(process.env);
  return withClient(settings, application(settings), new AbortController().signal, (client) => act(client, action, settings, context));
}

function isResourceEvent(event: unknown): event is CloudFormationCustomResourceEvent {
  return typeof event === 'object' && event !== null && 'RequestType' in event;
}

async function resourceHandler(event: CloudFormationCustomResourceEvent, context: Context): Promise<unknown> {
  const abandoned = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<ResourceAnswer>((resolve) => {
    timer = setTimeout(
      () => {
        abandoned.abort();
        resolve({ status: 'FAILED', reason: 'insufficient time; deploy again to continue' });
      },
      Math.max(0, context.getRemainingTimeInMillis() - answerMarginMs),
    );
  });
  const answer = await Promise.race([resource(event, context, abandoned.signal), late]);
  clearTimeout(timer);
  log[answer.status === 'SUCCESS' ? 'info' : 'error']('schema', { requestType: event.RequestType, ...answer });
  const physicalId = physicalIdOf(event);
  if (/^https?:/.test(event.ResponseURL)) {
    await answerCloudFormation(event, physicalId, answer);
    return undefined;
  }
  // Behind CDK's framework the answer is what is returned or thrown.
  if (answer.status === 'FAILED') throw new Error(answer.reason);
  return { PhysicalResourceId: physicalId, Data: answer.data };
}

/** The same for ever: another one would make CloudFormation delete the "old" schema. */
function physicalIdOf(event: CloudFormationCustomResourceEvent): string {
  if (event.RequestType !== 'Create') return event.PhysicalResourceId;
  return `schema:${process.env['DATABASE_HOST'] ?? ''}/${process.env['DATABASE_NAME'] ?? ''}`;
}

/** Never throws: an unanswered event would hang the stack. */
async function resource(event: CloudFormationCustomResourceEvent, context: Context, abandoned: AbortSignal): Promise<ResourceAnswer> {
  // Data is protected by deletion protection and snapshots, not by a function that may not reach the database any more.
  if (event.RequestType === 'Delete') return { status: 'SUCCESS', data: {} };
  try {
    const settings = settingsSchema.parse(process.env);
    return await withClient(settings, application(settings), abandoned, (client) => bringUp(client, event.RequestType, settings, context));
  } catch (error) {
    log.error('the schema was not brought up to date', { error: error as Error });
    return { status: 'FAILED', reason: reasonOf(error) };
  }
}

async function bringUp(client: pg.Client, requestType: 'Create' | 'Update', settings: Settings, context: Context): Promise<ResourceAnswer> {
  const applied = await apply(client, settings, context);
  if (applied.ahead) log.warn('schema ahead: this release was rolled back to, and runs on the newer schema', { head: applied.head });
  await grantRuntime(client, settings.RUNTIME_ROLE);
  if (requestType === 'Create')
    await seed(client, { envelope: envelope(settings.ENVELOPE_KEY_ARN), chance, pkiBaseUrl: settings.PKI_BASE_URL });
  // Where CRLs have another address by now, new certificates name that one.
  await client.query(makeShards.text, [crlUrlBase(settings.PKI_BASE_URL), null]);
  await tellOthers(client, settings, applied.head);
  const note = applied.ahead ? { note: 'schema ahead' } : {};
  return { status: 'SUCCESS', data: { applied: String(applied.applied), total: String(applied.total), head: applied.head, ...note } };
}

async function apply(client: pg.Client, settings: Settings, context: Context): Promise<Applied> {
  let left = 0;
  return applyMigrations(client, {
    manifest: readManifest(schemaFolder(settings)),
    release: settings.CERTCTL_RELEASE,
    lockDeadline: Date.now() + settings.MIGRATION_LOCK_WAIT_MS,
    remainingMs: () => context.getRemainingTimeInMillis(),
    done: (file, milliseconds) => log.info('migration applied', { file: file.version, milliseconds: Math.round(milliseconds) }),
    left: (files) => (left = files),
  }).finally(() => measure('MigrationsPending', left));
}

/** What other functions must know without waking the database. */
async function tellOthers(client: pg.Client, settings: Settings, head: string): Promise<void> {
  const dynamodb = dynamodbClient(5000);
  const mirror = profileMirror(dynamodb, settings.STATE_TABLE);
  const { rows } = await client.query<ProfileRow>(`SELECT ${profileColumns} FROM profiles`);
  for (const row of rows) await mirror.write(profileOf(row));
  await lastSeen(dynamodb, settings.STATE_TABLE, 'database').write({ state: 'up', at: new Date(chance.now()).toISOString(), detail: head });
}

async function act(client: pg.Client, action: Action, settings: Settings, context: Context): Promise<unknown> {
  const manifest = readManifest(schemaFolder(settings));
  const lockDeadline = Date.now() + settings.MIGRATION_LOCK_WAIT_MS;
  switch (action.action) {
    case 'admin-token':
      return { token: (await createAdminToken(client, chance)) ?? null };
    case 'trust-anchor': {
      const { rows } = await client.query<{ certificate: Buffer }>(
        'SELECT certificate FROM certificate_authorities WHERE parent_id IS NULL ORDER BY created_at, id LIMIT 1',
      );
      return { pem: rows[0] === undefined ? null : toPem('CERTIFICATE', rows[0].certificate) };
    }
    case 'status': {
      const status = await schemaStatus(client, manifest);
      measure('MigrationsPending', status.pending.length);
      return status;
    }
    case 'dry-run':
      return dryRun(client, manifest, lockDeadline);
    case 'apply':
      return apply(client, settings, context);
    case 'repair':
      return repair(client, manifest, action, lockDeadline);
  }
}

function schemaFolder(settings: Settings): string {
  return join(settings.LAMBDA_TASK_ROOT, 'schema');
}

function application(settings: Settings): string {
  return `migrator/${settings.CERTCTL_RELEASE}`;
}

function reasonOf(error: unknown): string {
  if (error instanceof z.ZodError) return `the function is not configured: ${error.issues.map((issue) => issue.path.join('.')).join(', ')}`;
  return (error instanceof Error ? error.message : 'failed').split('\n')[0] ?? 'failed';
}
