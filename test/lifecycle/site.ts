import type pg from 'pg';
import { invoke } from '../cloud.ts';
import { api, startPlatform, until, type Platform } from '../platform.ts';
import { agentHost, type AgentHost } from './agent-host.ts';

const quick = ['--config', JSON.stringify({ agents: { pollSeconds: 1, heartbeatSeconds: 2 } })];

/** A platform, a host with an agent, and a certificate that is in place on the host's server. */
export interface Site {
  readonly name: string;
  readonly platform: Platform;
  readonly database: pg.Client;
  readonly host: AgentHost;
  /** Id. */
  readonly certificate: string;
  get(): Promise<Record<string, unknown>>;
  /** Waits until the certificate is seen in place, with another serial than one. */
  deployed(unlike?: unknown): Promise<Record<string, unknown>>;
  /** As if the renewal's time had come: the tick finds it, this one or, where another holds the lease, the next. */
  renewalDue(): Promise<void>;
  stop(): Promise<void>;
}

/** @param without what the host lacks */
export async function makeSite(without?: 'node'): Promise<Site> {
  const name = 'site.example.com';
  const platform = await startPlatform({ args: quick });
  const [database, host] = await Promise.all([platform.database(), agentHost(name, without)]);
  await host.enrol(platform, 'web-1');
  const targets = [await host.target(platform, 'server')];
  const answer = await api(platform, 'POST', '/api/v1/certificates', { name: 'site', names: [name], targets });
  const certificate = (answer.json()['certificate'] as { id: string }).id;
  const get = async (): Promise<Record<string, unknown>> => (await api(platform, 'GET', `/api/v1/certificates/${certificate}`)).json();
  const deployed = (unlike?: unknown): Promise<Record<string, unknown>> =>
    until(
      'the certificate is verified in place',
      async () => {
        const now = await get();
        return now['deployment'] === 'verified' && now['health'] === 'good' && now['serial'] !== unlike ? now : undefined;
      },
      60,
    );
  const agent = await host.start();
  await deployed();
  await agent.end('SIGTERM');
  return {
    name,
    platform,
    database,
    host,
    certificate,
    get,
    deployed,
    async renewalDue() {
      await database.query(`UPDATE certificate_holders SET renew_at = now() WHERE certificate_id = $1`, [certificate]);
      await until('the agent is asked', async () => {
        await invoke(platform, 'loop-renewal-check', { loop: 'renewalCheck', run: `test-${Math.random()}` });
        const { rows } = await database.query<{ n: number }>(
          `SELECT count(*)::int AS n FROM certificate_holders WHERE certificate_id = $1 AND renew_at <= now()`,
          [certificate],
        );
        return rows[0]?.n === 0 ? true : undefined;
      });
    },
    async stop() {
      await host.stop();
      await database.end();
      await platform.stop();
    },
  };
}
