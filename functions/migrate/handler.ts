import { join } from 'node:path';
import type { CloudFormationCustomResourceEvent, Context } from 'aws-lambda';
import pg from 'pg';
import * as z from 'zod';
import { dynamodbClient } from '#adapters/dynamodb/client.ts';
import { profileMirror } from '#adapters/dynamodb/profile-mirror.ts';
import { envelope } from '#adapters/kms/envelope.ts';
import { credentialsOf, tlsOf } from '#adapters/postgres/connection.ts';
import { profileColumns, profileOf, type ProfileRow } from '#adapters/postgres/profiles.ts';
import { toPem } from '#domain/x509/pem.ts';
import { chance } from '../shared/chance.ts';
import { environment } from '../shared/environment.ts';
import { log } from '../shared/log.ts';
import { createAdminToken } from './admin-token.ts';
import { applyMigrations } from './apply.ts';
import { answerCloudFormation, type ResourceAnswer } from './custom-resource.ts';
import { readManifest } from './manifest.ts';
import { grantRuntime } from './roles.ts';
import { seed } from './seed.ts';

const settings = z
  .object({
    ...environment.database,
    ...environment.state,
    ...environment.envelope,
    ...environment.urls,
    RUNTIME_ROLE: z.string().default('certctl_runtime'),
    CERTCTL_RELEASE: z.string().default('unreleased'),
    LAMBDA_TASK_ROOT: z.string(),
  })
  .parse(process.env);

const folder = join(settings.LAMBDA_TASK_ROOT, 'schema');
const reachableMs = 120_000;
const lockMs = 300_000;
const answerMarginMs = 20_000;

type Action = { readonly action: 'admin-token' | 'trust-anchor' | 'status' };

/**
 * The migration resource. CloudFormation's events apply what is missing and always get an answer; operators invoke it with an action.
 */
export async function handler(event: CloudFormationCustomResourceEvent | Action, context: Context): Promise<unknown> {
  if ('action' in event) return act(event);
  const physicalId = `schema:${settings.DATABASE_NAME}`;
  const timeLeft = context.getRemainingTimeInMillis() - answerMarginMs;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<ResourceAnswer>((resolve) => {
    timer = setTimeout(() => resolve({ status: 'FAILED', reason: 'insufficient time; deploy again to continue' }), Math.max(0, timeLeft));
  });
  const answer = await Promise.race([resource(event), late]);
  clearTimeout(timer);
  log[answer.status === 'SUCCESS' ? 'info' : 'error']('schema', { requestType: event.RequestType, ...answer });
  await answerCloudFormation(event, physicalId, answer);
  return undefined;
}

/** Never throws: an unanswered event would hang the stack. */
async function resource(event: CloudFormationCustomResourceEvent): Promise<ResourceAnswer> {
  // Data is protected by deletion protection and snapshots, not by a function that may not reach the database any more.
  if (event.RequestType === 'Delete') return { status: 'SUCCESS', data: {} };
  try {
    return await withClient(async (client) => {
      const manifest = readManifest(folder);
      const applied = await applyMigrations(client, {
        folder,
        manifest,
        release: settings.CERTCTL_RELEASE,
        lockDeadline: Date.now() + lockMs,
      });
      if (applied.ahead) log.warn('the schema is ahead of this release');
      await grantRuntime(client, settings.RUNTIME_ROLE);
      if (event.RequestType === 'Create')
        await seed(client, { envelope: envelope(settings.ENVELOPE_KEY_ARN), chance, pkiBaseUrl: settings.PKI_BASE_URL });
      await mirrorProfiles(client);
      return { status: 'SUCCESS', data: { applied: String(applied.applied), total: String(applied.total), head: applied.head } };
    });
  } catch (error) {
    log.error('the schema was not brought up to date', { error: error as Error });
    return { status: 'FAILED', reason: reasonOf(error) };
  }
}

async function act(event: Action): Promise<unknown> {
  return withClient(async (client) => {
    switch (event.action) {
      case 'admin-token':
        return { token: (await createAdminToken(client, chance)) ?? null };
      case 'trust-anchor': {
        const { rows } = await client.query<{ certificate: Buffer }>(
          'SELECT certificate FROM certificate_authorities WHERE parent_id IS NULL ORDER BY created_at, id LIMIT 1',
        );
        return { pem: rows[0] === undefined ? null : toPem('CERTIFICATE', rows[0].certificate) };
      }
      case 'status': {
        const { rows } = await client.query<{ version: string }>('SELECT version FROM schema_migrations ORDER BY version');
        const known = new Set(rows.map((row) => row.version));
        return { applied: [...known], pending: readManifest(folder).flatMap((file) => (known.has(file.version) ? [] : [file.version])) };
      }
    }
  });
}

async function mirrorProfiles(client: pg.Client): Promise<void> {
  const mirror = profileMirror(dynamodbClient(5000), settings.STATE_TABLE);
  const { rows } = await client.query<ProfileRow>(`SELECT ${profileColumns} FROM profiles`);
  for (const row of rows) await mirror.write(profileOf(row));
}

/** A connection of its own, never pooled: the lock lives with it. Waits for a database that is waking up. */
async function withClient<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const deadline = Date.now() + reachableMs;
  for (;;) {
    const credentials = await credentialsOf(settings);
    const client = new pg.Client({
      host: settings.DATABASE_HOST,
      port: settings.DATABASE_PORT,
      database: settings.DATABASE_NAME,
      user: credentials.user,
      ...(credentials.password && { password: await credentials.password() }),
      ssl: tlsOf(settings),
      connectionTimeoutMillis: 60_000,
      application_name: `migrator/${settings.CERTCTL_RELEASE}`,
    });
    client.on('error', (error) => log.warn('the connection ended', { error }));
    try {
      await client.connect();
    } catch (error) {
      await client.end().catch(() => undefined);
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000));
      continue;
    }
    try {
      return await work(client);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : 'failed';
}
