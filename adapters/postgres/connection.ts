import type { ConnectionOptions } from 'node:tls';
import type { DatabaseEnvironment } from './environment.ts';
import { iamTokens } from './iam-token.ts';
import { openDatabase, type Credentials, type Database } from './database.ts';

/**
 * Whom to connect as: an IAM token signed per connection, the secret's user, or, on a local socket, the operating system's word.
 */
export async function credentialsOf(environment: DatabaseEnvironment): Promise<Credentials> {
  const host = environment.DATABASE_HOST;
  const user = environment.DATABASE_USER;
  if (host.startsWith('/')) return { user, password: undefined };
  // The client of the secrets is loaded where there is a secret.
  if (environment.DATABASE_AUTH === 'secret') {
    const { readDatabaseSecret } = await import('./secret.ts');
    const secret = await readDatabaseSecret(environment.DATABASE_SECRET_ARN);
    return { user: secret.username, password: async () => (await readDatabaseSecret(environment.DATABASE_SECRET_ARN)).password };
  }
  return { user, password: iamTokens({ hostname: host, port: environment.DATABASE_PORT, username: user, region: environment.AWS_REGION }) };
}

/** What proves the server: never less than a verified certificate for its name, except on a local socket. */
export function tlsOf(environment: DatabaseEnvironment): false | ConnectionOptions {
  if (environment.DATABASE_HOST.startsWith('/')) return false;
  return { rejectUnauthorized: true, ...(environment.DATABASE_CA !== undefined && { ca: environment.DATABASE_CA }) };
}

/** The runtime's pool. @param connectTimeoutMs 20 s for who must answer a request, 60 s for who need not */
export function connectDatabase(environment: DatabaseEnvironment, application: string, connectTimeoutMs: number): Database {
  return openDatabase({
    host: environment.DATABASE_HOST,
    port: environment.DATABASE_PORT,
    database: environment.DATABASE_NAME,
    credentials: () => credentialsOf(environment),
    tls: tlsOf(environment),
    connections: environment.DATABASE_POOL,
    connectTimeoutMs,
    application,
  });
}
