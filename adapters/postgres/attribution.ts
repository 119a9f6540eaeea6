import { AsyncLocalStorage } from 'node:async_hooks';
import type { IamPrincipal } from '#domain/access/iam-principal.ts';
import { changes } from './changes.ts';
import type { Database } from './database.ts';

const say = {
  name: 'attribute-to-iam',
  text: `SELECT set_config('certctl.iam_actor', $1, true), set_config('certctl.iam_session', $2, true)`,
};

/**
 * A database that knows, while an AWS identity is served, in which session that acts: each transaction says so, and the audit rows that it
 * commits tell it.
 */
export function attributed(database: Database): {
  readonly database: Database;
  readonly as: <T>(principal: IamPrincipal | undefined, work: () => Promise<T>) => Promise<T>;
} {
  const current = new AsyncLocalStorage<IamPrincipal>();
  return {
    database: {
      ...database,
      query: (statement, values) => {
        const principal = current.getStore();
        if (principal === undefined || !changes.test(statement.text)) return database.query(statement, values);
        return database.transaction(async (session) => {
          await session.query(say, [principal.actor, principal.session ?? '']);
          return session.query(statement, values);
        });
      },
      transaction: (work) => {
        const principal = current.getStore();
        if (principal === undefined) return database.transaction(work);
        return database.transaction(async (session) => {
          await session.query(say, [principal.actor, principal.session ?? '']);
          return work(session);
        });
      },
    },
    as: (principal, work) => (principal === undefined ? work() : current.run(principal, work)),
  };
}
