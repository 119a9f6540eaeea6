import type { Database, Session, Statement } from './database.ts';

/**
 * A database that tells when it has committed an audit row.
 *
 * @param committed called after the commit; the caller waits for nothing that it begins
 */
export function noticingAudit(database: Database, committed: () => void): Database {
  const writes = ({ text }: Statement): boolean => text.includes('INSERT INTO audit_events');
  return {
    ...database,
    async query<Row extends object>(statement: Statement, values: readonly unknown[]): Promise<readonly Row[]> {
      const rows = await database.query<Row>(statement, values);
      if (writes(statement)) committed();
      return rows;
    },
    async transaction(work) {
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
