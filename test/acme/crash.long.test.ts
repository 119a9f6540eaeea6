import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { startPlatform, until, type Platform } from '../platform.ts';
import { acmeClient, freshName, startResponder, type Responder } from './client.ts';

const folder = mkdtempSync(join(tmpdir(), 'certctl-crash-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const states = {
  pending: `SELECT id FROM acme_orders WHERE status = 'pending' AND created_at > now() - interval '10 seconds'`,
  'challenge processing': `SELECT id FROM acme_challenges WHERE status = 'processing'`,
  ready: `SELECT id FROM acme_orders WHERE status = 'ready' AND updated_at > now() - interval '10 seconds'`,
  processing: `SELECT id FROM acme_orders WHERE status = 'processing' AND lease_until > now()`,
  valid: `SELECT id FROM acme_orders WHERE status = 'valid' AND updated_at > now() - interval '100 milliseconds'`,
} as const;
const rounds = 20;

/** Issues until the platform is gone; notes what it was given. */
async function issueUntilGone(platform: Platform, responder: Responder, acknowledged: string[]): Promise<void> {
  const client = await acmeClient(platform, { responder });
  await client.register();
  for (;;) {
    const { der } = await client.issue(freshName());
    acknowledged.push(createHash('sha256').update(der).digest('hex'));
  }
}

test(
  'killed twenty times in the middle of an order, the platform loses no acknowledged certificate, signs nothing twice, and every order ends',
  { timeout: 720_000 },
  async () => {
    const responder = await startResponder();
    const home = join(folder, 'home');
    const args = ['--door-http01-port', String(responder.port)];
    const acknowledged: string[] = [];
    const seen: string[] = [];
    for (let round = 0; round < rounds; round++) {
      const names = Object.keys(states) as (keyof typeof states)[];
      const state = names[round % names.length]!;
      const platform = await startPlatform({ home, args });
      const { instance } = platform;
      const gone = new Promise((resolve) => platform.process.once('exit', resolve));
      const pids = [instance.pid, ...instance.copies].map(String);
      const before = acknowledged.length;
      const clients = Array.from({ length: 4 }, () => issueUntilGone(platform, responder, acknowledged).catch(() => undefined));
      await until('some certificates are out', () => acknowledged.length > before + 1 || undefined);
      fork(join(import.meta.dirname, 'killer.ts'), [instance.socketFolder, states[state], ...pids], { execArgv: [] });
      await gone;
      seen.push(state);
      await Promise.all(clients);
    }
    expect(seen).toHaveLength(rounds);

    // The last leases end, and the first tick after a start takes their orders over.
    const waiting = await startPlatform({ home, args });
    const before = await waiting.database();
    await until('the leases end', async () => {
      const { rows } = await before.query<{ n: string }>(
        `SELECT count(*) AS n FROM acme_orders WHERE status = 'processing' AND lease_until > now()`,
      );
      return rows[0]?.n === '0' || undefined;
    });
    await before.end();
    await waiting.stop();
    const platform = await startPlatform({ home, args });
    const database = await platform.database();
    try {
      await until(
        'no order is caught in the middle',
        async () => {
          const { rows } = await database.query<{ n: string }>(`SELECT count(*) AS n FROM acme_orders WHERE status = 'processing'`);
          return rows[0]?.n === '0' || undefined;
        },
        // A loop that was killed at its work holds its lease for 80 seconds more.
        100,
      );
      await until(
        'no validation is caught in the middle',
        async () => {
          const { rows } = await database.query<{ n: string }>(`SELECT count(*) AS n FROM jobs WHERE status IN ('pending', 'running')`);
          return rows[0]?.n === '0' || undefined;
        },
        // And what died with its worker is looked at by one loop, tried up to four times, and hinted by another.
        300,
      );
      // The oracle: what the CA was about to sign, written before it signed.
      const log = await database.query<{ fingerprint: string | null; serial: string; status: string; stored: string | null }>(
        `SELECT encode(c.fingerprint, 'hex') AS fingerprint, s.serial, o.status, c.serial AS stored
         FROM signing_log s JOIN acme_orders o ON o.id = s.idempotency_key LEFT JOIN certificates c ON c.id = s.certificate_id`,
      );
      expect(log.rows.every((row) => row.fingerprint !== null && row.status === 'valid' && row.serial === row.stored)).toBe(true);
      expect(new Set(log.rows.map((row) => row.serial)).size).toBe(log.rows.length);
      const stored = new Set(log.rows.map((row) => row.fingerprint));
      expect(acknowledged.filter((fingerprint) => !stored.has(fingerprint))).toEqual([]);
      expect(acknowledged.length).toBeGreaterThan(0);
      const total = await database.query<{ n: string }>('SELECT count(*) AS n FROM certificates');
      expect(Number(total.rows[0]?.n)).toBe(log.rows.length);
      // And nobody's allowance of open orders leaked.
      const leaked = await database.query(
        `SELECT a.id FROM acme_accounts a WHERE open_orders <> (SELECT count(*) FROM acme_orders o WHERE o.account_id = a.id AND o.status IN ('pending', 'ready', 'processing'))`,
      );
      expect(leaked.rows).toEqual([]);
    } finally {
      await database.end();
      await platform.stop();
      await responder.stop();
    }
  },
);
