import pg from 'pg';
import { credentialsOf, tlsOf } from '#adapters/postgres/connection.ts';
import type { DatabaseEnvironment } from '#adapters/postgres/environment.ts';
import { log } from '../shared/log.ts';

const reachableMs = 120_000;
const pauseMs = 1000;
// What waiting does not mend: wrong credentials, no such database.
const permanent = /^(?:28|3D)/;

/**
 * Works on a connection of its own, never pooled: the lock lives with it. Waits up to two minutes for a database that is waking up.
 *
 * @param abandoned cuts the connection, which rolls back what was not committed
 * @throws {Error} when the database cannot be reached, and what the work throws
 */
export async function withClient<T>(
  environment: DatabaseEnvironment,
  application: string,
  abandoned: AbortSignal,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await connected(environment, application, abandoned);
  const cut = (): void => void client.end().catch(() => undefined);
  abandoned.addEventListener('abort', cut, { once: true });
  try {
    return await work(client);
  } finally {
    abandoned.removeEventListener('abort', cut);
    await client.end().catch(() => undefined);
  }
}

async function connected(environment: DatabaseEnvironment, application: string, abandoned: AbortSignal): Promise<pg.Client> {
  const deadline = Date.now() + reachableMs;
  for (;;) {
    const credentials = await credentialsOf(environment);
    const client = new pg.Client({
      host: environment.DATABASE_HOST,
      port: environment.DATABASE_PORT,
      database: environment.DATABASE_NAME,
      user: credentials.user,
      ...(credentials.password && { password: await credentials.password() }),
      ssl: tlsOf(environment),
      connectionTimeoutMillis: Math.max(1000, Math.min(60_000, deadline - Date.now())),
      application_name: application,
    });
    client.on('error', (error) => log.warn('the connection ended', { error }));
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      const { code } = error as { code?: string };
      if (abandoned.aborted || Date.now() > deadline || permanent.test(code ?? '')) throw error;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}
