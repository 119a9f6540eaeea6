import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import type pg from 'pg';
import { auditTrail } from '#adapters/postgres/audit.ts';
import { chainReader } from '#adapters/postgres/audit-rows.ts';
import type { Database } from '#adapters/postgres/database.ts';
import { genesis } from '#domain/audit/chain.ts';
import { walk } from '#domain/audit/walk.ts';
import { memoryLimits } from '#infra/local/copies.ts';
import { makeCsr } from '../lifecycle/csr.ts';
import { startPlatform, type Platform } from '../platform.ts';
import { fillControlPlane } from './control-plane-rows.ts';
import { startLambda, type Lambda } from './lambda.ts';
import type { Asked } from './lone-function.ts';
import { machine } from './machine.ts';

/**
 * The control plane's speed on many rows, in the handler: its function alone in a process, warm, with real tables, one request after the
 * other, as an instance of Lambda serves them. Prints a line for each measure.
 *
 *   node test/load/control-plane-bench.ts [--certificates 100000] [--events 1000000] [--requests 1000]
 */
const { values: options } = parseArgs({
  options: {
    certificates: { type: 'string', default: '100000' },
    events: { type: 'string', default: '1000000' },
    requests: { type: 'string', default: '1000' },
  },
});
const certificates = Number(options.certificates);
const events = Number(options.events);
const requests = Number(options.requests);

const say = (what: string, figure: string, goal = ''): void => console.log(`${what.padEnd(44)}${figure.padStart(34)}  ${goal}`);
const ms = (value: number): string => `${value.toFixed(1)} ms`;

interface Times {
  readonly p50: number;
  readonly p99: number;
}
type Call = (method: string, path: string, body?: object) => Promise<Record<string, unknown>>;
type Timed = (asked: readonly Asked[], warm?: number) => Promise<Times>;

interface Caller {
  readonly call: Call;
  readonly timed: Timed;
  readonly headers: Readonly<Record<string, string>>;
}

function quantiles(times: readonly number[]): Times {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}

/** Calls with the admin's key, one after the other. */
function caller(platform: Platform, lambda: Lambda): Caller {
  const headers = { authorization: `Bearer ${platform.token}` };
  return {
    headers,
    async call(method, path, body) {
      const answer = await lambda.ask({ method, path, headers, ...(body && { body }) });
      if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body.slice(0, 300)}`);
      return JSON.parse(answer.body) as Record<string, unknown>;
    },
    async timed(asked, warm = 500) {
      const times = await lambda.repeat(
        asked.map((request) => ({ ...request, headers })),
        warm,
        requests,
      );
      return quantiles(times);
    },
  };
}

const once = async (work: () => Promise<unknown>): Promise<number> => {
  const began = performance.now();
  await work();
  return performance.now() - began;
};

async function reads({ call, timed }: Caller): Promise<void> {
  const shown = ({ p50, p99 }: Times): string => `p50 ${ms(p50)}  p99 ${ms(p99)}`;
  const get = (...paths: string[]): Promise<Times> => timed(paths.map((path) => ({ method: 'GET', path })));
  // What every request goes through is compiled by then, as in an instance that has been there for a while.
  const open = await timed([{ method: 'GET', path: '/health' }], 5000);
  say('GET /health: what every request costs', shown(open));
  const authenticated = await timed([{ method: 'GET', path: '/api/v1/auth/me' }], 5000);
  say(
    'authentication and authorization',
    `${ms(authenticated.p50 - open.p50)} more, p99 ${ms(authenticated.p99 - open.p99)}`,
    'at most 1 ms, p99',
  );
  const id = (i: number): string => `mc-${(1 + ((i * 7919) % certificates)).toString(16).padStart(28, '0')}`;
  say('one certificate', shown(await get(...Array.from({ length: 997 }, (_, i) => `/api/v1/certificates/${id(i)}`))), 'p99 < 5 ms');
  const lists = [
    'certificates?limit=100',
    'certificates?limit=100&sort=not_after',
    'certificates?limit=100&state=revoked',
    'certificates?limit=100&owner=o-7',
    'certificates?limit=100&environment=test',
    'audit?limit=100',
    'audit?limit=100&category=auth',
    'audit?limit=100&actor=ak-7',
    'jobs?limit=100&status=failed',
    'notifications?limit=100',
    'agents?limit=100&sort=name',
    'targets?limit=100&type=nginx',
    'deployments?limit=100',
  ];
  for (const path of lists) say(path, shown(await get(`/api/v1/${path}`)), 'p99 < 20 ms');
  let cursor = '';
  const walked = await once(async () => {
    for (let page = 0; page < 10; page++) {
      const { next_cursor: next } = await call('GET', `/api/v1/certificates?limit=100${cursor}`);
      cursor = `&cursor=${String(next)}`;
    }
  });
  say('walk of 1,000 certificates', ms(walked), '< 300 ms');
  let deep = '&limit=500';
  for (let seen = 0; seen < certificates * 0.9 - 500; seen += 500) {
    const { next_cursor: next } = await call('GET', `/api/v1/certificates?sort=-created_at${deep}`);
    deep = `&limit=500&cursor=${String(next)}`;
  }
  const last = `/api/v1/certificates?sort=-created_at${deep.replace('limit=500', 'limit=100')}`;
  say('a page of certificates nine tenths down', shown(await get(last)), 'as the first');
}

async function writes(lambda: Lambda, { call, headers }: Caller, database: pg.Client): Promise<void> {
  // The seal of what it did is the last that the worker does.
  const isAllDone = async (name: string): Promise<boolean> => {
    const { rows } = await database.query(
      `SELECT FROM managed_certificates WHERE name = $1 AND current_id IS NOT NULL AND NOT EXISTS (
         SELECT FROM audit_events e LEFT JOIN audit_seals s ON s.event_id = e.id WHERE e.id > (SELECT settled_id FROM audit_head) AND s.seq IS NULL)`,
      [name],
    );
    return rows.length > 0;
  };
  const { csr } = makeCsr(['bench.example.com']);
  // Each when all is done for the one before: else the worker, which is the platform's, takes the cores.
  const times: number[] = [];
  for (let i = 0; i < 500; i++) {
    const name = `bench-${i}`;
    const answer = await lambda.ask({ method: 'POST', path: '/api/v1/certificates', headers, body: { name, csr } });
    if (answer.status >= 300) throw new Error(answer.body);
    times.push(answer.milliseconds);
    while (!(await isAllDone(name))) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const ordered = quantiles(times.slice(100));
  say('a certificate ordered', `p50 ${ms(ordered.p50)}  p99 ${ms(ordered.p99)}`, 'p99 < 15 ms');
  const count = Math.min(1000, Math.floor(certificates / 4));
  await database.query(`INSERT INTO owners (id, name, email) VALUES ('o-bulk', 'Bulk', 'bulk@example.com')`);
  await database.query(
    `UPDATE managed_certificates SET owner_id = 'o-bulk' WHERE id IN (SELECT id FROM managed_certificates WHERE state = 'active' AND name LIKE 'host-%' ORDER BY id LIMIT $1)`,
    [count],
  );
  let done = 0;
  const took = await once(async () => {
    done = Number((await call('POST', '/api/v1/certificates/bulk-revoke', { owner: 'o-bulk', reason: 'superseded' }))['done']);
  });
  say(`bulk revocation of ${done}`, ms(took), '1,000 in < 3 s');
}

/** A database whose statements one client runs, and of two at once the second another. */
function databaseOf(client: pg.Client, second: pg.Client = client): Database {
  let busy = false;
  const ask =
    (whom: pg.Client): Database['query'] =>
    async ({ name, text }, values) =>
      (await whom.query<never>({ name: name === '' ? undefined : name, text, values: values as unknown[] })).rows;
  const query = ask(client);
  return {
    async query(statement, values) {
      if (busy) return ask(second)(statement, values);
      busy = true;
      try {
        return await query(statement, values);
      } finally {
        busy = false;
      }
    },
    async transaction(work) {
      await client.query('BEGIN');
      try {
        const result = await work({ query });
        await client.query('COMMIT');
        return result;
      } catch (error) {
        await client.query('ROLLBACK');
        throw error;
      }
    },
    wake: () => undefined,
    opened: () => 1,
    close: () => client.end(),
  };
}

async function chain(client: pg.Client, second: pg.Client): Promise<void> {
  const database = databaseOf(client, second);
  const trail = auditTrail(database);
  let sealed = 0;
  const sealing = await once(async () => {
    for (let page = -1; page !== 0; sealed += page) page = await trail.seal(20_000);
  });
  say('audit rows sealed', `${Math.round((sealed / sealing) * 1000)} rows/s of ${sealed}`);
  // As after a day's life: everything has been looked at and nothing is left to tidy.
  await client.query('VACUUM ANALYZE');
  const { seq } = (await trail.head()).head;
  const noAnchor = { latest: () => Promise.resolve(undefined) };
  for (const what of ['audit rows verified', 'and once more, from the cache']) {
    const verifying = await once(async () => {
      const { broken, whole } = await walk(chainReader(database), noAnchor, { seq: 0, hash: genesis }, () => true);
      if (broken !== undefined || !whole) throw new Error(`the chain is broken: ${JSON.stringify(broken)}`);
    });
    say(what, `${Math.round((seq / verifying) * 1000)} rows/s of ${seq}`, '200,000 rows/s');
  }
}

async function exported(platform: Platform): Promise<void> {
  // Fresh, and with the heap of a copy of `npm start`, so that the memory is what the export takes: an instance of Lambda lets garbage lie that it has room for.
  const lambda = await startLambda(platform, 'api', memoryLimits);
  const { call } = caller(platform, lambda);
  await call('GET', '/api/v1/auth/me');
  const before = lambda.peak();
  let rows = 0;
  const took = await once(async () => {
    let cursor: object = {};
    for (;;) {
      const answer = await call('POST', '/api/v1/audit/exports', cursor);
      rows += Number(answer['rows']);
      if (answer['next_cursor'] === null) return;
      cursor = { cursor: answer['next_cursor'] };
    }
  });
  say(
    `export of ${rows} audit rows`,
    `${(took / 1000).toFixed(1)} s, peak ${before.toFixed(0)} to ${lambda.peak().toFixed(0)} MB`,
    '150 MB',
  );
  lambda.stop();
}

/** Commits a second by eight writers, each of one audit row. */
async function commits(platform: Platform, sealing: boolean): Promise<number> {
  const clients = await Promise.all(Array.from({ length: 9 }, () => platform.database()));
  try {
    const end = performance.now() + 5000;
    const goesOn = (): boolean => performance.now() < end;
    let count = 0;
    const [sealer, ...writers] = clients;
    const trail = auditTrail(databaseOf(sealer!));
    await Promise.all([
      ...writers.map(async (client) => {
        for (; goesOn(); count++)
          await client.query({
            name: 'bench-audit',
            text: `INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
                   VALUES ('bench', 'System', 'bench', 'bench', 'bench', '{}', 'config')`,
          });
      }),
      (async () => {
        while (sealing && goesOn()) await trail.seal(2000);
      })(),
    ]);
    return count / 5;
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

console.log(machine);
const quiet = {
  LIMIT_API_REQUESTS_PER_SECOND_PER_ADDRESS: '0',
  LIMIT_API_REQUESTS_PER_SECOND_PER_PRINCIPAL: '0',
  CERTCTL_LOG_LEVEL: 'WARN',
};
// The function that is measured is this process's child.
Object.assign(process.env, quiet);
const platform = await startPlatform({ onDisk: true, env: quiet });
const database = await platform.database();
const second = await platform.database();
const lambda = await startLambda(platform, 'api');
try {
  const asking = caller(platform, lambda);
  say('rows made', ms(await once(() => fillControlPlane(database, { certificates, auditEvents: events }))));
  await chain(database, second);
  await reads(asking);
  await writes(lambda, asking, database);
  await exported(platform);
  const plain = await commits(platform, false);
  const sealed = await commits(platform, true);
  say('audit rows written without a sealer', `${Math.round(plain)}/s`);
  say('audit rows written while one seals', `${Math.round(sealed)}/s`);
} finally {
  lambda.stop();
  await Promise.all([database.end(), second.end()]);
  await platform.stop();
}
