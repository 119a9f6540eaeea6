import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import { CaError } from '#domain/error.ts';

/** A prepared statement's name, its text, and what its rows look like to the caller. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

export interface Session {
  /** Runs a prepared statement; the name is its key on every connection. */
  query<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<readonly Row[]>;
}

export interface Database extends Session {
  /** Runs statements in one transaction; nothing leaves the system inside it. */
  transaction<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** How many connections were opened: while it stays, no other database can have taken this one's place. */
  opened(): number;
  /** Discards connections that slept through a freeze (a frozen instance runs no timer). Call at the start of an invocation. */
  wake(nowMs: number): void;
  close(): Promise<void>;
}

export interface Credentials {
  readonly user: string;
  /** Undefined on a local socket, where the operating system vouches. */
  readonly password: (() => Promise<string>) | undefined;
}

export interface DatabaseOptions {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  /** Asked for when the pool opens; the password once per connection. */
  readonly credentials: () => Promise<Credentials>;
  /** How the server proves itself; false on a local socket only. */
  readonly tls: false | ConnectionOptions;
  readonly connections: number;
  readonly connectTimeoutMs: number;
  readonly application: string;
}

const idleMs = 10_000;
/** How long a transaction may go on before its next statement is refused. The audit trail counts on it: what is five minutes old has ended. */
const transactionMs = 60_000;
const lostBeforeWork = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOENT',
  'ETIMEDOUT',
  '57P03',
  '57P01',
  '57P02',
  '08006',
  '08001',
  '08003',
  '53300',
]);

/**
 * A small pool. A connection that cannot be had is tried once more, before the first statement only; whatever then fails to answer
 * becomes `unavailable`.
 */
export function openDatabase(options: DatabaseOptions): Database {
  let pool: pg.Pool | undefined;
  let opening: Promise<pg.Pool> | undefined;
  let lastUse = 0;
  let opened = 0;

  const current = (): Promise<pg.Pool> => {
    opening ??= options.credentials().then((credentials) => {
      pool = makePool(options, credentials);
      pool.on('connect', () => (opened += 1));
      return pool;
    });
    opening.catch(() => (opening = undefined));
    return opening;
  };

  const connect = async (): Promise<pg.PoolClient> => {
    try {
      return await (pool ?? (await current())).connect();
    } catch (first) {
      if (!isLost(first)) throw unavailable(first);
      try {
        return await (await current()).connect();
      } catch (cause) {
        throw unavailable(cause);
      }
    }
  };

  const once = async <Row extends object>(statement: Statement, values: readonly unknown[]): Promise<readonly Row[]> => {
    const client = await connect();
    let broken: Error | undefined;
    try {
      return (await client.query<Row>({ name: statement.name, text: statement.text, values: values as unknown[] })).rows;
    } catch (cause) {
      broken = isLost(cause) ? (cause as Error) : undefined;
      throw cause;
    } finally {
      client.release(broken);
    }
  };

  return {
    async query<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<readonly Row[]> {
      try {
        // Of two that wait for each other one is undone: alone in its transaction it has changed nothing, and finds the other at its end.
        return await once<Row>(statement, values).catch((cause: unknown) => {
          if ((cause as { code?: string }).code === deadlock) return once<Row>(statement, values);
          throw cause;
        });
      } catch (cause) {
        throw mapped(cause);
      }
    },
    async transaction(work) {
      const client = await connect();
      let broken: Error | undefined;
      try {
        await client.query('BEGIN');
        const end = performance.now() + transactionMs;
        const result = await work({
          query: async (statement, values) => {
            if (performance.now() > end) throw new CaError('unavailable', 'a change took too long; try again', { retryAfter: 15 });
            return (await client.query<never>({ name: statement.name, text: statement.text, values: values as unknown[] })).rows;
          },
        });
        await client.query('COMMIT');
        return result;
      } catch (cause) {
        if (isLost(cause)) broken = cause as Error;
        else await client.query('ROLLBACK').catch((error: unknown) => (broken = error as Error));
        throw mapped(cause);
      } finally {
        client.release(broken);
      }
    },
    opened: () => opened,
    wake(nowMs) {
      const asleep = lastUse > 0 && nowMs - lastUse > idleMs;
      lastUse = nowMs;
      if (!asleep || pool === undefined) return;
      const old = pool;
      pool = undefined;
      opening = undefined;
      old.end().catch(() => undefined);
    },
    async close() {
      const open = pool;
      pool = undefined;
      opening = undefined;
      await open?.end();
    },
  };
}

function makePool(options: DatabaseOptions, credentials: Credentials): pg.Pool {
  const pool = new pg.Pool({
    host: options.host,
    port: options.port,
    database: options.database,
    user: credentials.user,
    ...(credentials.password !== undefined && { password: credentials.password }),
    ssl: options.tls,
    max: options.connections,
    idleTimeoutMillis: idleMs,
    connectionTimeoutMillis: options.connectTimeoutMs,
    keepAlive: true,
    application_name: options.application,
    // Every statement is a look-up by key: one plan serves all values, and nothing is planned twice. A plan is kept while its tables grow: made when they
    // were short, it would walk through them for each look-up, so walking is for statements only that have no index.
    options: '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off',
    statement_timeout: 20_000,
    // A server that is there but says nothing: the client stops waiting by itself.
    query_timeout: 22_000,
    idle_in_transaction_session_timeout: 20_000,
    allowExitOnIdle: true,
  });
  // A connection that dies while it idles is only noticed; the next query opens another.
  pool.on('error', () => undefined);
  // One that dies in use, between two statements, fails the next; without a listener it would end the process instead.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

function isLost(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return (
    (code !== undefined && lostBeforeWork.has(code)) ||
    /terminat|timeout exceeded when trying to connect|Connection ended|not queryable|Query read timeout/i.test(message ?? '')
  );
}

function unavailable(cause: unknown): CaError {
  return new CaError('unavailable', 'the database does not answer; try again', { cause, retryAfter: 15 });
}

const deadlock = '40P01';
// 57014 is a statement that took too long, 40001 and a deadlock lost a race, 55P03 waited too long for a lock: all are worth another try.
const transient = new Set(['57014', '40001', deadlock, '55P03']);

// What JSON can say and PostgreSQL cannot keep: U+0000 in a text (22021) or in jsonb (22P05).
const unstorable = new Set(['22021', '22P05']);

function mapped(error: unknown): unknown {
  if (error instanceof CaError) return error;
  const code = (error as { code?: string }).code;
  if (code !== undefined && unstorable.has(code))
    return new CaError('malformed', 'a text has a character that cannot be stored, such as NUL', { cause: error });
  return isLost(error) || (code !== undefined && transient.has(code)) ? unavailable(error) : error;
}

/** Whether the database refused a row because its key exists (SQLSTATE 23505). */
export function isDuplicate(error: unknown): boolean {
  return (error as { code?: string }).code === '23505';
}
