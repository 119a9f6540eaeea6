import type { Database, Session, Statement } from './database.ts';

/**
 * A database that tells when it has committed an audit row.
 *
 * @param committed called after the commit; the caller waits for nothing that it begins
 * @param coming waited for before a statement that writes one, and before each transaction, which might
 */
export function noticingAudit(database: Database, committed: () => void, coming?: () => Promise<void>): Database {
  const writes = ({ text }: Statement): boolean => text.includes('INSERT INTO audit_events');
  return {
    ...database,
    async query<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<readonly Row[]> {
      if (!writes(statement)) return database.query<Row>(statement, values);
      await coming?.();
      const rows = await database.query<Row>(statement, values);
      committed();
      return rows;
    },
    async transaction(work) {
      await coming?.();
      const written: Statement[] = [];
      const result = await database.transaction((session) => {
        const watched: Session = {
          query: (statement, values) => {
            if (writes(statement)) written.push(statement);
            return session.query(statement, values);
          },
        };
        return work(watched);
      });
      if (written.length > 0) committed();
      return result;
    },
  };
}
