import { Signer } from '@aws-sdk/rds-signer';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { ConnectionOptions } from 'node:tls';
import { z } from 'zod';
import { openDatabase, type Credentials, type Database } from './database.ts';

/** The database's part of a function's environment. */
export const databaseEnvironment = z.object({
  DATABASE_HOST: z.string().min(1),
  DATABASE_PORT: z.coerce.number().int().positive().default(5432),
  DATABASE_NAME: z.string().min(1),
  DATABASE_USER: z.string().min(1),
  DATABASE_AUTH: z.enum(['iam', 'secret']),
  DATABASE_SECRET_ARN: z.string().optional(),
  /** PEM of the authority that the server's certificate must lead to; without it, those that Node trusts. */
  DATABASE_CA: z.string().startsWith('-----BEGIN CERTIFICATE-----').optional(),
  DATABASE_POOL: z.coerce.number().int().positive().max(50).default(1),
  AWS_REGION: z.string().default('us-east-1'),
});
export type DatabaseEnvironment = z.infer<typeof databaseEnvironment>;

/**
 * Whom to connect as: an IAM token signed per connection, the secret's user, or, on a local socket, the operating system's word.
 */
export async function credentialsOf(environment: DatabaseEnvironment): Promise<Credentials> {
  const host = environment.DATABASE_HOST;
  const user = environment.DATABASE_USER;
  if (host.startsWith('/')) return { user, password: undefined };
  if (environment.DATABASE_AUTH === 'secret') {
    const secret = await readSecret(environment);
    return { user: secret.username, password: async () => (await readSecret(environment)).password };
  }
  const signer = new Signer({ hostname: host, port: environment.DATABASE_PORT, username: user, region: environment.AWS_REGION });
  return { user, password: () => signer.getAuthToken() };
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

const databaseSecret = z.object({ username: z.string(), password: z.string() });

async function readSecret(environment: DatabaseEnvironment): Promise<z.infer<typeof databaseSecret>> {
  const client = new SecretsManagerClient({});
  const answer = await client.send(new GetSecretValueCommand({ SecretId: environment.DATABASE_SECRET_ARN }));
  return databaseSecret.parse(JSON.parse(answer.SecretString ?? '{}'));
}
