import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { invoke } from '../cloud.ts';
import { makeToken } from '../lifecycle/signed-agent.ts';
import { api, rowsOf, startPlatform, until, type Platform } from '../platform.ts';
import { deployed } from '../targets/daemon.ts';
import { issued } from '../targets/issued.ts';
import { startNginx } from '../targets/nginx-server.ts';
import type { Figures, Order } from './fleet-agents.ts';
import { machine } from './machine.ts';

/**
 * A fleet of agents, simulated in processes of its own: its rhythm, its return after all connections were lost, renewals deployed to it; and one
 * real deployment to Debian's nginx. Prints a line for each measure; 1 when a request failed or a job was lost.
 *
 *   node test/load/fleet-bench.ts [--agents 5000] [--certificates 1000] [--seconds 150] [--processes 2]
 */
const { values: options } = parseArgs({
  options: {
    agents: { type: 'string', default: '5000' },
    certificates: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '150' },
    processes: { type: 'string', default: '2' },
  },
});
const [agents, certificates, seconds, processes] = [options.agents, options.certificates, options.seconds, options.processes].map(
  Number,
) as [number, number, number, number];
const periodSeconds = 60;
const stormSeconds = 30;

const outcome = { failed: false };
const say = (what: string, figure: string, goal = ''): void => console.log(`${what.padEnd(44)}${figure.padStart(44)}  ${goal}`);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const fleet: ChildProcess[] = [];
const tell = (order: Order): void => fleet.forEach((child) => child.send(order));
const answers = <T>(ask: (child: ChildProcess, n: number) => Order): Promise<T[]> =>
  Promise.all(
    fleet.map(
      (child, n) =>
        new Promise<T>((resolve, reject) => {
          child.once('message', (answer) => resolve(answer as T));
          child.once('exit', () => reject(new Error('a process of the fleet ended')));
          child.send(ask(child, n));
        }),
    ),
  );

async function report(what: string, goal: string): Promise<void> {
  const all = await answers<Figures>(() => ({ do: 'figures' }));
  for (const kind of ['heartbeat', 'poll', 'csr', 'pick-up', 'report']) {
    const times = all.flatMap((figures) => figures.times[kind] ?? []).sort((a, b) => a - b);
    if (times.length === 0) continue;
    const at = (share: number): string => `${(times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0).toFixed(0)} ms`;
    say(`${what}: ${kind}`, `${times.length}  p50 ${at(0.5)}  p99 ${at(0.99)}  worst ${at(1)}`, goal);
  }
  const errors = all.flatMap((figures) => Object.entries(figures.errors));
  say(`${what}: failed requests`, String(errors.reduce((sum, [, n]) => sum + n, 0)), 'none');
  for (const [error, n] of errors) console.log(`  ${n} × ${error}`);
  outcome.failed ||= errors.length > 0;
}

async function enrolled(platform: Platform): Promise<readonly string[]> {
  const { token } = await makeToken(platform, { max_uses: 10_000 });
  for (let n = 0; n < processes; n++) fleet.push(fork(join(import.meta.dirname, 'fleet-agents.ts')));
  const share = (n: number): number => Math.floor((agents * (n + 1)) / processes) - Math.floor((agents * n) / processes);
  const began = performance.now();
  const ids = await answers<string[]>((_, n) => ({
    do: 'enrol',
    url: platform.url,
    ca: platform.ca,
    token,
    prefix: `fleet-${n}`,
    count: share(n),
  }));
  say('agents enrolled', `${agents} in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  return ids.flat();
}

/** One certificate for each of so many agents. */
async function ordered(platform: Platform, ids: readonly string[]): Promise<void> {
  const of = async (agent: string, n: number): Promise<void> => {
    const name = `fleet-${n}`;
    const verify = { host: '127.0.0.1', port: 443, server_name: `${name}.example.com` };
    const config = { cert_path: `/etc/tls/${name}.crt`, key_path: `/etc/tls/${name}.key`, verify };
    const target = await api(platform, 'POST', '/api/v1/targets', { name, type: 'nginx', agent, config });
    const order = { name, names: [`${name}.example.com`], targets: [target.json()['id']] };
    const answer = await api(platform, 'POST', '/api/v1/certificates', order);
    if (answer.status !== 202) throw new Error(answer.text);
  };
  let next = 0;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let n = next++; n < ids.length; n = next++) await of(ids[n] ?? '', n);
    }),
  );
}

/** Waits until so many deployments are completed. */
async function untilDeployed(platform: Platform, count: number, patienceSeconds: number): Promise<void> {
  await until(
    `${count} are deployed`,
    async () => {
      await sleep(500);
      return (await deployments(platform)) >= count || undefined;
    },
    patienceSeconds,
  );
}

const deployments = async (platform: Platform): Promise<number> => {
  const [row] = await rowsOf<{ n: number }>(
    platform,
    `SELECT count(*)::int AS n FROM jobs WHERE type = 'deployment' AND status = 'completed'`,
  );
  return row?.n ?? 0;
};

/** Has a certificate fall due each second, for so long; how many that were. */
async function trickle(platform: Platform, held: readonly string[], forSeconds: number): Promise<number> {
  const due = held.slice(0, forSeconds);
  await rowsOf(
    platform,
    `UPDATE certificate_holders h SET renew_at = now() + make_interval(secs => d.n)
     FROM unnest($1::text[]) WITH ORDINALITY AS d(agent, n) WHERE h.agent_id = d.agent`,
    [due],
  );
  return due.length;
}

/** Jobs of agents that did not end as they should have. */
async function lost(platform: Platform): Promise<void> {
  const [row] = await rowsOf<{ n: number; again: number }>(
    platform,
    `SELECT count(*) FILTER (WHERE status <> 'completed')::int AS n, count(*) FILTER (WHERE attempts > 1)::int AS again
     FROM jobs WHERE agent_id IS NOT NULL`,
  );
  say('jobs lost', String(row?.n), 'none');
  say('jobs that were given out again', String(row?.again));
  outcome.failed ||= row?.n !== 0;
}

async function fleetOn(platform: Platform): Promise<void> {
  const ids = await enrolled(platform);
  tell({ do: 'live', within: periodSeconds });
  await sleep(periodSeconds * 1000);
  await report('first minute', '');
  const held = ids.slice(0, certificates);
  await ordered(platform, held);
  await untilDeployed(platform, held.length, 300);
  await report(`${held.length} first certificates`, '');
  // The last minute's are deployed within it: a loop finds what is due once a minute.
  const renewed = await trickle(platform, held, Math.max(0, seconds - 90));
  await sleep(seconds * 1000);
  await untilDeployed(platform, held.length + renewed, 120);
  say('at rest: certificates renewed meanwhile', String(renewed));
  await report('at rest', 'p99 < 200 ms');
  tell({ do: 'storm', within: stormSeconds });
  await sleep(stormSeconds * 1000 + 5000);
  await report(`all back within ${stormSeconds} s`, '');
  const before = await deployments(platform);
  await rowsOf(platform, `UPDATE certificate_holders SET renew_at = now()`);
  const began = performance.now();
  await invoke(platform, 'loop-renewal-check', { loop: 'renewalCheck', run: `bench-${Math.random()}` });
  await untilDeployed(platform, before + held.length, 600);
  say(`${held.length} renewed and deployed`, `${((performance.now() - began) / 1000).toFixed(0)} s`, '1,000 within 180 s');
  await report('renewals', 'p99 < 200 ms');
  await lost(platform);
}

async function nginxOnce(): Promise<void> {
  const { daemon } = await startNginx();
  try {
    await daemon.enableTls();
    const times: number[] = [];
    for (let n = 0; n < 11; n++) {
      const { ok, durationMs, detail } = await deployed(daemon, issued());
      if (!ok) throw new Error(detail);
      times.push(durationMs);
    }
    times.sort((a, b) => a - b);
    say('one deployment to nginx, reload and look', `median ${times[5]} ms  worst ${times[10]} ms`, '< 1 s');
  } finally {
    await daemon.stop();
  }
}

console.log(machine);
await nginxOnce();
const platform = await startPlatform({
  onDisk: true,
  args: ['--copies', '2', '--config', JSON.stringify({ agents: { pollSeconds: periodSeconds, heartbeatSeconds: periodSeconds } })],
  env: { LIMIT_API_REQUESTS_PER_SECOND_PER_ADDRESS: '0', LIMIT_API_REQUESTS_PER_SECOND_PER_PRINCIPAL: '0', CERTCTL_LOG_LEVEL: 'WARN' },
});
try {
  await fleetOn(platform);
} finally {
  tell({ do: 'end' });
  await platform.stop();
}
process.exitCode = outcome.failed ? 1 : 0;
