import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { api, root, startPlatform, type Platform } from '../platform.ts';
import { freePort } from '#infra/local/free-port.ts';
import { measureLimiter } from './limiter-bench.ts';
import { machine } from './machine.ts';
import { measureMigrations } from './migration-bench.ts';
import { measurePki } from './pki-bench.ts';

/**
 * `npm run bench`: start times, issuances per second beside pebble, memory, what certificates, OCSP and CRLs cost, what the limiter
 * decides, migrations. Prints a table and writes bench.json.
 *
 *   npm run bench -- [--seconds 8] [--growth 10000] [--copies 1]
 */
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '8' },
    growth: { type: 'string', default: '10000' },
    copies: { type: 'string', default: '1' },
  },
});

interface Load {
  readonly certificates: number;
  readonly perSecond: number;
  readonly p50ms: number;
  readonly p99ms: number;
  readonly failed: number;
}
interface Row extends Partial<Load> {
  readonly what: string;
  readonly accounts?: number;
  readonly seconds?: number;
  readonly megabytes?: number;
  readonly note?: string;
}

const rows: Row[] = [];
const folder = mkdtempSync(join(tmpdir(), 'certctl-bench-'));
const raised = {
  LIMIT_NEW_ORDERS_PER_HOUR: '100000000',
  LIMIT_OPEN_ORDERS: '100000',
  LIMIT_CHALLENGE_RESPONSES_PER_HOUR: '100000000',
  LIMIT_ACME_REQUESTS_PER_MINUTE: '0',
  CERTCTL_LOG_LEVEL: 'WARN',
};

function note(row: Row): void {
  rows.push(row);
  console.log(line(row));
}

function line(row: Row): string {
  const cells = [
    row.what.padEnd(34),
    (row.accounts === undefined ? '' : `${row.accounts} accounts`).padEnd(11),
    (row.perSecond === undefined ? '' : `${row.perSecond.toFixed(1)}/s`).padStart(9),
    (row.p50ms === undefined ? '' : `p50 ${row.p50ms} ms`).padStart(13),
    (row.p99ms === undefined ? '' : `p99 ${row.p99ms} ms`).padStart(14),
    (row.seconds === undefined ? '' : `${row.seconds.toFixed(2)} s`).padStart(8),
    (row.megabytes === undefined ? '' : `${row.megabytes.toFixed(0)} MB`).padStart(8),
    row.note ?? '',
  ];
  return cells.join(' ').trimEnd();
}

async function timedStart(what: string, home: string): Promise<Platform> {
  const began = performance.now();
  const platform = await startPlatform({ home, args: ['--copies', options.copies, '--door-http01-port', String(door)], env: raised });
  note({ what, seconds: (performance.now() - began) / 1000 });
  return platform;
}

/** The load client's own numbers; it runs as a process of its own, as the clients of a server do. */
async function load(directory: string, ca: string, accounts: number, more: readonly string[], seconds = options.seconds): Promise<Load> {
  const args = [
    'test/load/acme-load.mjs',
    '--directory',
    directory,
    '--ca',
    ca,
    '--concurrency',
    String(accounts),
    '--seconds',
    seconds,
    '--json',
    ...more,
  ];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const timer = setTimeout(() => child.kill('SIGKILL'), Number(seconds) * 1000 + 60_000);
  await new Promise((resolve) => child.once('exit', resolve));
  clearTimeout(timer);
  return JSON.parse(text === '' ? '{"certificates":0,"perSecond":0,"p50ms":0,"p99ms":0,"failed":1}' : text) as Load;
}

/**
 * Resident memory of a process and its children but PostgreSQL, in MB. Pages of files, as a rule of the one Node program that all of them map, are
 * there once and counted once.
 */
function resident(pid: number): number {
  const status = (id: number): string => {
    try {
      return readFileSync(`/proc/${id}/status`, 'utf8');
    } catch {
      return '';
    }
  };
  const value = (text: string, name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const family = (id: number): string[] => [
    status(id),
    ...all
      .filter((child) => value(status(Number(child)), 'PPid') === id && !/^Name:\s+postgres/m.test(status(Number(child))))
      .flatMap((child) => family(Number(child))),
  ];
  const members = family(pid);
  const own = members.reduce((sum, text) => sum + value(text, 'RssAnon') + value(text, 'RssShmem'), 0);
  return (own + Math.max(...members.map((text) => value(text, 'RssFile')))) / 1024;
}

async function measureOurs(platform: Platform): Promise<void> {
  const ca = join(platform.home, 'ca.pem');
  const key = (await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'internal', max_uses: 100_000 })).json() as {
    key_id: string;
    hmac_key: string;
  };
  const trust = `${platform.url}/acme/profile/internal/directory`;
  const eab = [`--eab-kid=${key.key_id}`, `--eab-key=${key.hmac_key}`];
  for (const accounts of [1, 8]) {
    note({ what: 'certctl, trust (EAB)', accounts, ...(await load(trust, ca, accounts, eab)) });
    note({
      what: 'certctl, http-01',
      accounts,
      ...(await load(`${platform.url}/acme/profile/default/directory`, ca, accounts, ['--http01-port', String(door)])),
    });
  }
  const database = await platform.database();
  const issued = async (): Promise<number> =>
    Number((await database.query<{ n: string }>('SELECT count(*) AS n FROM certificates')).rows[0]?.n);
  for (const target of [1000, Number(options.growth)]) {
    while ((await issued()) < target) await load(trust, ca, 8, eab, '5');
    note({ what: `resident after ${target} issuances`, megabytes: resident(platform.instance.pid), note: 'without PostgreSQL; goal 250' });
  }
  await database.end();
}

/** Debian's pebble with its memory for a store; undefined where it is not installed. */
async function measurePebble(): Promise<void> {
  if (spawnSync('sh', ['-c', 'command -v pebble']).status !== 0) {
    note({ what: 'pebble', note: 'not installed (Debian package pebble): no comparison' });
    return;
  }
  const [port, management] = [await freePort(), await freePort()];
  const [cert, key, config] = ['cert.pem', 'key.pem', 'config.json'].map((name) => join(folder, name)) as [string, string, string];
  spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    key,
    '-out',
    cert,
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost',
    '-days',
    '2',
  ]);
  const listenAddress = `127.0.0.1:${port}`;
  writeFileSync(
    config,
    JSON.stringify({
      pebble: {
        listenAddress,
        managementListenAddress: `127.0.0.1:${management}`,
        certificate: cert,
        privateKey: key,
        httpPort: door,
        tlsPort: 5001,
      },
    }),
  );
  const child = spawn('pebble', ['-config', config], {
    env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '0', PEBBLE_VA_ALWAYS_VALID: '1' },
    stdio: 'ignore',
  });
  try {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    for (const accounts of [1, 8]) {
      note({
        what: 'pebble',
        accounts,
        ...(await load(`https://localhost:${port}/dir`, cert, accounts, [])),
        note: 'in memory, validation skipped',
      });
    }
  } finally {
    child.kill('SIGKILL');
  }
}

const door = await freePort();
try {
  const home = join(folder, 'home');
  const synthesized = existsSync(join(root, '.build', 'assembly'));
  const first = await timedStart(`start, new home${synthesized ? '' : ' (and first synthesis)'}`, home);
  await first.stop();
  const platform = await timedStart('start, used home', home);
  try {
    await measureOurs(platform);
    const client = await platform.database();
    const socketFolder = client.host;
    await client.end();
    for (const row of await measurePki(socketFolder)) note(row);
  } finally {
    await platform.stop();
  }
  await measurePebble();
  for (const row of await measureLimiter()) note(row);
  const migrations = await measureMigrations();
  note({ what: 'migrations, empty database', seconds: migrations.first / 1000 });
  note({
    what: 'migrations, nothing to do',
    seconds: migrations.median / 1000,
    note: `worst ${migrations.worst.toFixed(0)} ms; goal 300 ms`,
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
writeFileSync(
  join(root, 'bench.json'),
  `${JSON.stringify({ at: new Date().toISOString(), machine, copies: Number(options.copies), rows }, null, 2)}\n`,
);
console.log(`\n${rows.map(line).join('\n')}\n\n${JSON.stringify(machine)}, written to bench.json`);
