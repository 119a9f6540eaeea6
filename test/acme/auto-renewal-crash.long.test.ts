import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { makeCsr } from '../acme-conformance/certification-request.ts';
import { api, request, rowsOf, startPlatform, until, type Platform } from '../platform.ts';
import { firstCertificate, freshName, registered } from './client.ts';

const folder = mkdtempSync(join(tmpdir(), 'certctl-stars-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const wanted = 3;
const mostRounds = 20;
const profile = {
  id: 'stars',
  name: 'Stars',
  acme_auth_mode: 'trust_authenticated',
  acknowledge_trust: true,
  allowed_names: ['.localhost'],
  validity_seconds: 6000,
  auto_renewal: { min_lifetime: 60, max_duration: 86_400, allow_certificate_get: true },
};
/** A copy has taken the lease for the next certificate of an order. */
const renewing = `SELECT id FROM acme_orders WHERE status = 'valid' AND auto_renewal IS NOT NULL AND lease_until > now() + interval '8 seconds'`;

/** Orders what has its next certificate due at once, and fetches it by many hands, until the platform is gone. */
async function renewUntilGone(platform: Platform, urls: string[], given: string[]): Promise<void> {
  const client = await registered(platform, { profile: 'stars' });
  for (;;) {
    const name = freshName();
    const endDate = new Date(Date.now() + 80_000_000).toISOString();
    const placed = await client.post(String(client.directory['newOrder']), {
      identifiers: [{ type: 'dns', value: name }],
      'auto-renewal': { 'end-date': endDate, lifetime: 3000, 'lifetime-adjust': 3000, 'allow-certificate-get': true },
    });
    const finalized = await client.post(String(placed.json()['finalize']), { csr: makeCsr([name]).csr.toString('base64url') });
    const url = String(finalized.json()['star-certificate']);
    urls.push(url);
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        const { status, text } = await request(platform, url);
        if (status === 200) given.push(fingerprintOf(text));
      }),
    );
  }
}

const fingerprintOf = (pem: string): string => createHash('sha256').update(firstCertificate(pem)).digest('hex');

test(
  'killed again and again in the middle of a renewal, two copies issue each certificate once, and give out nothing that the inventory does not have',
  { timeout: 600_000 },
  async () => {
    const home = join(folder, 'home');
    const args = ['--copies', '2'];
    const given: string[] = [];
    const urls: string[] = [];
    // Now and then the certificate is there before the killer is.
    let caught = 0;
    for (let round = 0; caught < wanted; round++) {
      expect(round).toBeLessThan(mostRounds);
      const platform = await startPlatform({ home, args });
      if (round === 0) expect((await api(platform, 'POST', '/api/v1/profiles', profile)).status).toBe(201);
      // What was reserved stays so, for nobody fetches it again yet.
      const reserved = await rowsOf(platform, `SELECT FROM signing_log WHERE idempotency_key LIKE '%/1' AND certificate_id IS NULL`);
      caught = reserved.length;
      const { instance } = platform;
      const gone = new Promise((resolve) => platform.process.once('exit', resolve));
      const before = given.length;
      const clients = Array.from({ length: 3 }, () => renewUntilGone(platform, urls, given).catch(() => undefined));
      await until('some certificates are out', () => given.length > before + 8 || undefined);
      fork(join(import.meta.dirname, 'killer.ts'), [instance.socketFolder, renewing, ...[instance.pid, ...instance.copies].map(String)], {
        execArgv: [],
      });
      await gone;
      await Promise.all(clients);
    }
    const platform = await startPlatform({ home, args });
    try {
      const known = urls.filter((url) => url.includes('/star/'));
      const port = new URL(platform.url).port;
      for (const url of known) {
        const here = Object.assign(new URL(url), { port }).href;
        // Whoever died holds the lease for ten seconds; until then the first certificate is given.
        await until('it is renewed', async () => {
          const { status, text } = await request(platform, here);
          if (status !== 200) return undefined;
          given.push(fingerprintOf(text));
          const [row] = await rowsOf<{ renewal_number: number }>(platform, 'SELECT renewal_number FROM acme_orders WHERE star_id = $1', [
            here.split('/').at(-1),
          ]);
          return row?.renewal_number === 1 || undefined;
        });
      }
      const log = await rowsOf<{ key: string; serial: string; stored: string | null; fingerprint: string | null }>(
        platform,
        `SELECT s.idempotency_key AS key, s.serial, c.serial AS stored, encode(c.fingerprint, 'hex') AS fingerprint
         FROM signing_log s LEFT JOIN certificates c ON c.id = s.certificate_id WHERE s.idempotency_key LIKE '%/1'`,
      );
      expect(log.length).toBeGreaterThanOrEqual(known.length);
      expect(log.filter(({ serial, stored }) => serial !== stored)).toEqual([]);
      const inventory = await rowsOf<{ fingerprint: string }>(
        platform,
        `SELECT encode(fingerprint, 'hex') AS fingerprint FROM certificates`,
      );
      const stored = new Set(inventory.map(({ fingerprint }) => fingerprint));
      expect(given.filter((fingerprint) => !stored.has(fingerprint))).toEqual([]);
      // An order whose URL nobody came to know has its first certificate alone.
      expect(await rowsOf(platform, `SELECT order_id FROM acme_renewals GROUP BY order_id HAVING max(number) > 1`)).toEqual([]);
    } finally {
      await platform.stop();
    }
  },
);
