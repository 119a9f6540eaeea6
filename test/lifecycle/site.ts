import { existsSync } from 'node:fs';
import { invoke } from '../cloud.ts';
import { otherSettings } from '../other-settings.ts';
import { newHome } from '../new-home.ts';
import { api, removeHome, rowsOf, startPlatform, until, type Platform } from '../platform.ts';
import { childrenOf } from '../process-tree.ts';
import { agentHost, type AgentHost } from './agent-host.ts';
import { nodeServer, type HostServer } from './host-server.ts';

/** A platform, a host with an agent, and a certificate that is in place on the host's server. */
export interface Site {
  readonly name: string;
  /** The one that runs now. */
  readonly platform: Platform;
  readonly host: AgentHost;
  /** Id. */
  readonly certificate: string;
  get(): Promise<Record<string, unknown>>;
  /** Waits until the certificate is seen in place, with another serial than one. */
  deployed(unlike?: unknown): Promise<Record<string, unknown>>;
  /** As if the renewal's time had come: the tick finds it, this one or, where another holds the lease, the next. */
  renewalDue(): Promise<void>;
  /** As if the time of every next attempt had come. */
  retriesDue(): Promise<void>;
  /** Kills everything of the platform at once, its database too; what is returned starts it again at the same address. */
  crash(): Promise<() => Promise<void>>;
  stop(): Promise<void>;
}

export interface SiteOptions {
  /** What the host lacks. */
  readonly without?: 'node';
  /** What is deployed to; a server of Node unless given. */
  readonly server?: HostServer;
  /** Lets the host reach the platform's port. */
  readonly connect?: (port: number) => Promise<void>;
}

export async function makeSite({ without, server: given, connect }: SiteOptions = {}): Promise<Site> {
  const server = given ?? (await nodeServer('site.example.com'));
  const home = newHome();
  let platform = await startPlatform({ home, args: otherSettings });
  const port = new URL(platform.url).port;
  await connect?.(Number(port));
  const host = await agentHost(server, without);
  await host.enrol(platform, 'web-1');
  const targets = [await host.target(platform, 'server')];
  const answer = await api(platform, 'POST', '/api/v1/certificates', { name: 'site', names: [server.name], targets });
  const certificate = (answer.json()['certificate'] as { id: string }).id;
  const get = async (): Promise<Record<string, unknown>> => (await api(platform, 'GET', `/api/v1/certificates/${certificate}`)).json();
  const deployed = (unlike?: unknown): Promise<Record<string, unknown>> =>
    until(
      'the certificate is verified in place',
      async () => {
        const now = await get();
        return now['deployment'] === 'verified' && now['health'] === 'good' && now['serial'] !== unlike ? now : undefined;
      },
      120,
    );
  const tick = (name: string, loop: string): Promise<unknown> => invoke(platform, name, { loop, run: `test-${Math.random()}` });
  const agent = await host.start();
  await deployed();
  await agent.end('SIGTERM');
  return {
    name: server.name,
    get platform() {
      return platform;
    },
    host,
    certificate,
    get,
    deployed,
    async renewalDue() {
      await rowsOf(platform, `UPDATE certificate_holders SET renew_at = now() WHERE certificate_id = $1`, [certificate]);
      await until('the agent is asked', async () => {
        await tick('loop-renewal-check', 'renewalCheck');
        const [row] = await rowsOf<{ n: number }>(
          platform,
          `SELECT count(*)::int AS n FROM certificate_holders WHERE certificate_id = $1 AND renew_at <= now()`,
          [certificate],
        );
        return row?.n === 0 ? true : undefined;
      });
    },
    async retriesDue() {
      const [row] = await rowsOf<{ id: string }>(
        platform,
        `WITH j AS (UPDATE jobs SET run_at = now() WHERE agent_id = $1 AND status IN ('pending', 'awaiting_csr'))
         INSERT INTO outbox (topic, subject_id, created_at) VALUES ('agent', $1, now() - interval '1 minute') RETURNING id`,
        [host.agentId()],
      );
      await until('the agent hears of it', async () => {
        await tick('loop-outbox-dispatch', 'notificationProcess');
        return (await rowsOf(platform, `SELECT FROM outbox WHERE id = $1`, [row?.id])).length === 0 ? true : undefined;
      });
    },
    async crash() {
      const { pid, postgres } = platform.instance;
      const gone = new Promise((resolve) => platform.process.once('exit', resolve));
      for (const victim of new Set([...childrenOf(pid), postgres, ...childrenOf(postgres)]))
        if (existsSync(`/proc/${victim}`)) process.kill(victim, 'SIGKILL');
      platform.process.kill('SIGKILL');
      await gone;
      return async () => {
        platform = await startPlatform({ home, args: [...otherSettings, '--port', port] });
      };
    },
    async stop() {
      await host.stop();
      await platform.stop();
      removeHome(home);
    },
  };
}
