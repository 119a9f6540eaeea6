import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import pg from 'pg';
import { ownerRole } from '#infra/local/data-folder.ts';
import { startPostgres, type Postgres } from '#infra/local/postgres.ts';
import { freePort } from '#infra/local/free-port.ts';
import { startNameServer, type NameServer } from '../interop/name-server.ts';
import { testAuthority, type TestAuthority } from './authority.ts';
import { openCloud, type Cloud } from './cloud.ts';
import { startEmulator, type Emulator } from './emulator.ts';

/** What an operator has before the first deployment: a cloud, a PostgreSQL over TLS, a name server. */
export interface World {
  readonly authority: TestAuthority;
  readonly emulator: Emulator;
  readonly names: NameServer;
  readonly passwords: readonly string[];
  cloud(account: string): Cloud;
  /** Makes a database with an owner and a runtime role, their secrets in the account, and says so in the app's own words. */
  database(cloud: Cloud, name: string): Promise<object>;
  /** A client of a database as its superuser. */
  query(database: string, sql: string): Promise<readonly Record<string, unknown>[]>;
  end(): Promise<void>;
}

export async function makeWorld(): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'deploy-'));
  const authority = testAuthority({ dns: ['localhost', '*.execute-api.localhost'], ip: ['127.0.0.1'] });
  const port = await freePort();
  const access = { port, certificate: authority.certificate, key: authority.key };
  const data = `/var/tmp/certctl-deploy-${process.pid}/postgres`;
  const postgres = await startPostgres(data, data, () => undefined, { network: access });
  const names = await startNameServer();
  const emulator = await startEmulator(authority, folder);
  const passwords: string[] = [];
  const query = async (database: string, sql: string): Promise<readonly Record<string, unknown>[]> => {
    const client = new pg.Client({ host: postgres.socketFolder, port, user: ownerRole, database });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  };
  return {
    authority,
    emulator,
    names,
    passwords,
    query,
    cloud: (account) => openCloud(emulator.endpoint, account, authority.caFile),
    database: async (cloud, name) => {
      const secrets = new SecretsManagerClient(cloud.client);
      const role = async (user: string, attributes: string): Promise<string> => {
        const password = `${user}-${crypto.randomUUID()}`;
        passwords.push(password);
        await query('postgres', `CREATE ROLE ${user} LOGIN ${attributes} PASSWORD '${password}'`);
        const value = JSON.stringify({ username: user, password });
        const { ARN } = await secrets.send(new CreateSecretCommand({ Name: user, SecretString: value }));
        return ARN ?? '';
      };
      const secretArn = await role(`${name}_owner`, 'CREATEROLE');
      const runtimeSecretArn = await role(`${name}_runtime`, '');
      await query('postgres', `CREATE DATABASE ${name} OWNER ${name}_owner`);
      const roles = { secretArn, runtimeSecretArn, runtimeUser: `${name}_runtime` };
      return { host: '127.0.0.1', port, name, ...roles, certificateAuthority: authority.ca };
    },
    end: async () => {
      await emulator.stop();
      names.stop();
      await stopPostgres(postgres);
      authority.remove();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function stopPostgres(postgres: Postgres): Promise<void> {
  await postgres.stop();
  rmSync(join(postgres.dataFolder, '..'), { recursive: true, force: true });
}
