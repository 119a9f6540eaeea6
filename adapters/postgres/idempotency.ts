import { AsyncLocalStorage } from 'node:async_hooks';
import { CaError } from '#domain/error.ts';
import { changes } from './changes.ts';
import type { Database, Session } from './database.ts';

/** Whose request it is, by what name, and what it says. */
export interface KeyedRequest {
  readonly caller: string;
  readonly key: string;
  /** SHA-256 of all that the request says. */
  readonly digest: Uint8Array;
  /** Names this attempt. */
  readonly claim: string;
}

/** An answer as it is kept. */
export interface KeptAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export type Begun = 'begun' | 'another' | 'underWay' | 'unanswered' | KeptAnswer;

export interface IdempotencyKeys {
  /** `another`: the key belongs to another request; `unanswered`: it took effect, and its answer was lost. */
  begin(request: KeyedRequest): Promise<Begun>;
  /** Runs an operation: each of its transactions commits only while the claim is its own, and leaves a mark with it. */
  within<T>(request: KeyedRequest, operation: () => Promise<T>): Promise<T>;
  keep(request: KeyedRequest, answer: KeptAnswer): Promise<void>;
  /** Nothing has happened, or nothing more will: a repetition may begin anew where there was no effect. */
  release(request: KeyedRequest): Promise<void>;
}

const keptHours = 24;
// Longer than any request may take.
const claimSeconds = 60;

const begin = {
  name: 'idempotency-begin',
  text: `WITH gone AS (DELETE FROM idempotency_keys WHERE (caller, key) IN
           (SELECT caller, key FROM idempotency_keys WHERE expires_at <= now() AND (caller, key) <> ($1, $2) ORDER BY expires_at LIMIT 10 FOR UPDATE SKIP LOCKED))
    INSERT INTO idempotency_keys AS k (caller, key, digest, claim, claimed_until, expires_at)
    VALUES ($1, $2, $3, $4, now() + make_interval(secs => ${claimSeconds}), now() + make_interval(hours => ${keptHours}))
    ON CONFLICT (caller, key) DO UPDATE SET digest = excluded.digest, claim = excluded.claim, claimed_until = excluded.claimed_until,
      expires_at = excluded.expires_at, effect_at = NULL, status = NULL, headers = NULL, body = NULL
    WHERE k.expires_at <= now() OR (k.digest = excluded.digest AND k.status IS NULL AND k.effect_at IS NULL AND k.claimed_until <= now())
    RETURNING claim`,
};
const read = {
  name: 'idempotency-read',
  text: `SELECT digest = $3 AS same, status, headers, body, effect_at IS NOT NULL AND claimed_until <= now() AS unanswered FROM idempotency_keys WHERE caller = $1 AND key = $2`,
};
const mark = {
  name: 'idempotency-mark',
  text: `UPDATE idempotency_keys SET effect_at = coalesce(effect_at, now()) WHERE caller = $1 AND key = $2 AND claim = $3 AND status IS NULL RETURNING claim`,
};
const keep = {
  name: 'idempotency-keep',
  text: `UPDATE idempotency_keys SET status = $4, headers = $5, body = $6 WHERE caller = $1 AND key = $2 AND claim = $3`,
};
const release = {
  name: 'idempotency-release',
  text: `WITH gone AS (DELETE FROM idempotency_keys WHERE caller = $1 AND key = $2 AND claim = $3 AND effect_at IS NULL)
         UPDATE idempotency_keys SET claimed_until = now() WHERE caller = $1 AND key = $2 AND claim = $3 AND effect_at IS NOT NULL`,
};

/**
 * Idempotency keys, and the database for operations under them: whatever such an operation commits carries the mark of its request in the same
 * transaction, so that a repetition knows whether there was an effect, whenever the first one died.
 */
export function idempotent(database: Database): { readonly database: Database; readonly keys: IdempotencyKeys } {
  const current = new AsyncLocalStorage<KeyedRequest>();
  const marked = async <T>(request: KeyedRequest, session: Session, work: (session: Session) => Promise<T>): Promise<T> => {
    const mine = await session.query(mark, [request.caller, request.key, request.claim]);
    if (mine.length === 0) throw new CaError('conflict', 'another request with this Idempotency-Key has taken over');
    return work(session);
  };
  return {
    database: {
      ...database,
      query: (statement, values) => {
        const request = current.getStore();
        if (request === undefined || !changes.test(statement.text)) return database.query(statement, values);
        return database.transaction((session) => marked(request, session, () => session.query(statement, values)));
      },
      transaction: (work) => {
        const request = current.getStore();
        return database.transaction(request === undefined ? work : (session) => marked(request, session, work));
      },
    },
    keys: {
      async begin({ caller, key, digest, claim }) {
        const [mine] = await database.query(begin, [caller, key, digest, claim]);
        if (mine !== undefined) return 'begun';
        const [row] = await database.query<{
          same: boolean;
          status: number | null;
          headers: Record<string, string> | null;
          body: Buffer | null;
          unanswered: boolean;
        }>(read, [caller, key, digest]);
        // It was released a moment ago: whoever tries again begins.
        if (row === undefined) return 'underWay';
        if (!row.same) return 'another';
        if (row.status === null) return row.unanswered ? 'unanswered' : 'underWay';
        return { status: row.status, headers: row.headers ?? {}, body: row.body ?? Buffer.alloc(0) };
      },
      within: (request, operation) => current.run(request, operation),
      async keep({ caller, key, claim }, answer) {
        await database.query(keep, [caller, key, claim, answer.status, JSON.stringify(answer.headers), answer.body]);
      },
      async release({ caller, key, claim }) {
        await database.query(release, [caller, key, claim]);
      },
    },
  };
}
