import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type pg from 'pg';
import { invoke } from '../cloud.ts';
import { startPrivateCa } from '../fakes/private-ca.ts';
import { makeCsr } from '../lifecycle/csr.ts';
import { api, startPlatform, until, type Platform } from '../platform.ts';
import { childrenOf } from '../process-tree.ts';
import { machine } from './machine.ts';

export interface Measured {
  readonly what: string;
  readonly seconds?: number;
  readonly perSecond?: number;
  readonly megabytes?: number;
  readonly note: string;
}

const configOf = (workers: number): string => JSON.stringify({ workerMaxConcurrency: workers, reserveConcurrency: false });
/** An event source of SQS takes no fewer. */
const fewestWorkers = 2;
const killEveryMs = 10_000;
const due = 10_000;

async function onPlatform<T>(
  env: Record<string, string>,
  work: (platform: Platform, database: pg.Client) => Promise<T>,
  workers = 25,
): Promise<T> {
  const platform = await startPlatform({
    onDisk: true,
    args: ['--copies', '2', '--config', configOf(workers)],
    env: { CERTCTL_LOG_LEVEL: 'WARN', ...env },
  });
  const database = await platform.database();
  try {
    return await work(platform, database);
  } finally {
    await database.end();
    await platform.stop();
  }
}

/** Certificates that were issued long ago, and are due now. */
async function plant(platform: Platform, database: pg.Client, count: number, dueNow: number, issuer = 'iss-local'): Promise<void> {
  await api(platform, 'POST', '/api/v1/certificates', { name: 'pattern', csr: makeCsr(['pattern.example.com']).csr });
  await database.query(
    `INSERT INTO managed_certificates (id, name, state, profile_id, issuer_id, policy_id, common_name, sans, csr, created_by, not_before, not_after, renew_at)
     SELECT 'mc-' || lpad(n::text, 8, '0'), 'planted-' || n, 'active', profile_id, $3, policy_id, common_name, sans, csr, 'bench',
            now() - interval '60 days', now() + interval '30 days',
            CASE WHEN n <= $2 THEN now() - interval '1 minute' ELSE now() + interval '1 day' + n * interval '1 second' END
     FROM managed_certificates, generate_series(1, $1::int) n WHERE name = 'pattern'`,
    [count, dueNow, issuer],
  );
  await database.query('ANALYZE managed_certificates');
}

async function issuerAt(platform: Platform, caArn: string): Promise<string> {
  const made = await api(platform, 'POST', '/api/v1/issuers', { name: 'Private', type: 'aws-private-ca', config: { caArn } });
  return (made.json() as { id: string }).id;
}

const tick = (platform: Platform): Promise<unknown> =>
  invoke(platform, 'loop-renewal-check', { loop: 'renewalCheck', run: `bench-${Math.random()}` });

/** A job whose every attempt was killed ends as failed: that is an end, too. */
async function terminal(database: pg.Client): Promise<{ ended: number; failed: number; open: number }> {
  const over = `status IN ('completed', 'failed', 'cancelled') AND NOT retryable`;
  const { rows } = await database.query<{ ended: number; failed: number; open: number }>(
    `SELECT count(*) FILTER (WHERE ${over})::int AS ended, count(*) FILTER (WHERE ${over} AND status = 'failed')::int AS failed,
       count(*) FILTER (WHERE NOT (${over}))::int AS open FROM jobs WHERE type = 'renewal'`,
  );
  return rows[0]!;
}

async function renewals(dying: boolean): Promise<Measured[]> {
  return onPlatform({}, async (platform, database) => {
    await plant(platform, database, due, due);
    const began = performance.now();
    let killed = 0;
    const killer = dying
      ? setInterval(() => {
          const copies = childrenOf(platform.instance.pid).filter((pid) => pid !== platform.instance.postgres);
          const victim = copies[killed % Math.max(1, copies.length)];
          if (victim !== undefined) process.kill(victim, 'SIGKILL');
          killed += 1;
        }, killEveryMs)
      : undefined;
    // Scan and sweeper tick by their schedules too; the bench only shortens the wait for the next full minute.
    const sweeping = setInterval(
      () => void invoke(platform, 'loop-job-processor', { loop: 'jobProcessor', run: `bench-${Math.random()}` }).catch(() => undefined),
      5000,
    );
    let scanned = 0;
    try {
      await until(
        'all are scanned',
        async () => {
          await tick(platform).catch(() => undefined);
          const { ended, open } = await terminal(database);
          return ended + open >= due ? true : undefined;
        },
        120,
      );
      scanned = (performance.now() - began) / 1000;
      await until(
        'all jobs are terminal',
        async () => {
          if (dying)
            await database.query(
              `UPDATE jobs SET lease_expires_at = now() WHERE status = 'running' AND lease_expires_at > now() + interval '20 seconds' AND state_entered_at < now() - interval '10 seconds'`,
            );
          await new Promise((resolve) => setTimeout(resolve, 250));
          return (await terminal(database)).ended >= due ? true : undefined;
        },
        300,
      );
    } finally {
      clearInterval(killer);
      clearInterval(sweeping);
    }
    const seconds = (performance.now() - began) / 1000;
    const { failed } = await terminal(database);
    const { rows } = await database.query<{ twice: number }>(
      `SELECT count(*)::int AS twice FROM (SELECT managed_id FROM certificates WHERE managed_id LIKE 'mc-0%' GROUP BY managed_id HAVING count(*) <> 1) x`,
    );
    const how = dying ? `, ${killed} workers' processes killed` : '';
    return [
      { what: `renewal scan, ${due} due${how}`, seconds: scanned, note: 'goal 10 s' },
      {
        what: `all ${due} renewed${how}`,
        seconds,
        perSecond: due / seconds,
        note: `goal 120 s; certificates issued twice: ${rows[0]!.twice}; jobs that failed in every attempt: ${failed}`,
      },
    ];
  });
}

/** What is measured is the scan: the CA holds every request, and there are as few workers as a queue can have, so that nobody works on the jobs meanwhile. */
async function scan(): Promise<Measured[]> {
  const over = Promise.withResolvers<undefined>();
  const ca = await startPrivateCa({ busy: () => false, admit: () => over.promise });
  try {
    return await onPlatform(
      { AWS_ENDPOINT_URL_ACM_PCA: ca.url },
      async (platform, database) => {
        await plant(platform, database, 1_000_000, 0, await issuerAt(platform, ca.arn));
        const resident = (): number =>
          Math.max(
            ...childrenOf(platform.instance.pid).map(
              (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024,
            ),
          );
        // Due at once, not while they are planted: the schedule's own tick would take them.
        await database.query(
          `UPDATE managed_certificates SET renew_at = now() - interval '1 minute' WHERE name LIKE 'planted-%' AND substr(name, 9)::int <= $1`,
          [due],
        );
        const before = resident();
        const began = performance.now();
        await tick(platform);
        const seconds = (performance.now() - began) / 1000;
        const { rows } = await database.query<{ n: number }>(`SELECT count(*)::int AS n FROM jobs WHERE type = 'renewal'`);
        if (rows[0]!.n !== due) throw new Error(`${rows[0]!.n} of ${due} jobs were made: another tick held the lease`);
        over.resolve(undefined);
        return [
          { what: 'renewal scan, 1,000,000 rows', seconds, note: `goal 5 s; ${rows[0]!.n} jobs made` },
          { what: 'memory that the scan added', megabytes: Math.max(0, resident() - before), note: 'largest process' },
        ];
      },
      fewestWorkers,
    );
  } finally {
    over.resolve(undefined);
    await ca.stop();
  }
}

/** p50 200 ms and p99 5 s, at most 25 requests at once, 2 % busy. */
async function elsewhere(): Promise<Measured[]> {
  const count = 1000;
  const capacity = 25;
  let busyMs = 0;
  let inside = 0;
  const waiting: (() => void)[] = [];
  const latency = (): number => {
    const dice = Math.random();
    return dice < 0.5 ? 100 + 200 * dice : dice < 0.98 ? 200 + 400 * (dice - 0.5) : 1000 + 200_000 * (dice - 0.98);
  };
  const ca = await startPrivateCa({
    busy: () => Math.random() < 0.02,
    admit: async () => {
      if (inside >= capacity) await new Promise<void>((resolve) => waiting.push(resolve));
      inside += 1;
      const wait = latency();
      busyMs += wait;
      await new Promise((resolve) => setTimeout(resolve, wait));
      inside -= 1;
      waiting.shift()?.();
    },
  });
  try {
    return await onPlatform({ AWS_ENDPOINT_URL_ACM_PCA: ca.url }, async (platform, database) => {
      await plant(platform, database, count, count, await issuerAt(platform, ca.arn));
      const began = performance.now();
      await tick(platform);
      const wanted = Math.floor(count * 0.95);
      await until('nearly all are issued', () => (ca.log.length >= wanted ? true : undefined), 300);
      const seconds = (performance.now() - began) / 1000;
      // What the CA could have admitted: its places, always taken.
      const share = busyMs / (seconds * 1000 * capacity);
      return [
        {
          what: 'CA elsewhere, 25 at once',
          perSecond: ca.log.length / seconds,
          seconds,
          note: `${Math.round(share * 100)} % of what the CA admits; goal 90 %`,
        },
      ];
    });
  } finally {
    await ca.stop();
  }
}

if (import.meta.main) {
  // Renewals by the thousand, with and without dying workers; the scan over a million rows; a CA elsewhere with its own pace.
  const parts: Readonly<Record<string, () => Promise<readonly Measured[]>>> = {
    renewals: () => renewals(false),
    deaths: () => renewals(true),
    scan,
    elsewhere,
  };
  const { positionals } = parseArgs({ allowPositionals: true });
  const unknown = positionals.find((name) => !(name in parts));
  if (unknown !== undefined) {
    console.error(`no such part: ${unknown}; there are ${Object.keys(parts).join(', ')}`);
    process.exit(2);
  }
  console.log(machine);
  for (const name of positionals.length === 0 ? Object.keys(parts) : positionals) for (const row of await parts[name]!()) console.log(row);
}
