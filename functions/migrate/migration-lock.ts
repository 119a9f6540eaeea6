import type pg from 'pg';

/** Passed as text: a JavaScript number would round it. */
export const lockId = '7283164759461502341';

const pollMs = 250;

/**
 * Does something while no other runner does. The lock belongs to the session: a runner that dies frees it. It is asked for again and again instead of
 * waited for, because a waiting statement holds a snapshot, which CREATE INDEX CONCURRENTLY of the holder would wait for in turn.
 *
 * @param deadline milliseconds since the epoch
 * @throws {Error} when another runner holds it until then
 */
export async function holdingLock<T>(client: pg.ClientBase, deadline: number, work: () => Promise<T>): Promise<T> {
  for (;;) {
    const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1::bigint) AS locked', [lockId]);
    if (rows[0]?.locked === true) break;
    if (Date.now() + pollMs > deadline) throw new Error('another migration holds the lock; deploy again later');
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  try {
    return await work();
  } finally {
    // A connection that is gone has freed it already.
    await client.query('SELECT pg_advisory_unlock($1::bigint)', [lockId]).catch(() => undefined);
  }
}
