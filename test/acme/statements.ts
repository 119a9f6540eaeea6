import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rowsOf, until, type Platform } from '../platform.ts';

// What an instance remembers for ten seconds it asks now and then, whoever is there.
const remembered = /^(?:crl-shards|cross-chains):/;

/** What the ACME function says to PostgreSQL for its client meanwhile, a line a round trip: PostgreSQL writes it down, and is told to stop afterwards. */
export async function statementsDuring(platform: Platform, work: () => Promise<void>): Promise<readonly string[]> {
  const set = async (...settings: readonly string[]): Promise<void> => {
    for (const setting of settings) await rowsOf(platform, `ALTER SYSTEM ${setting}`);
    await rowsOf(platform, 'SELECT pg_reload_conf()');
  };
  const log = (): string => readFileSync(join(platform.home, 'log', 'platform.log'), 'utf8');
  /** Its answer comes when everything before it is written. */
  const mark = async (): Promise<string> => {
    const name = `mark-${randomBytes(8).toString('hex')}`;
    return until('the log has come to the mark', async () => {
      await rowsOf(platform, `SELECT '${name}'`);
      return log().includes(name) ? name : undefined;
    });
  };
  await set(`SET log_line_prefix = '%a|'`, `SET log_statement = 'all'`);
  try {
    const from = await mark();
    await work();
    const to = await mark();
    const text = log();
    return text
      .slice(text.lastIndexOf(from), text.indexOf(to))
      .split('\n')
      .flatMap((line) => /^acme\|LOG: {2}(?:execute|statement)[ :]+(.*)$/.exec(line)?.[1] ?? [])
      .filter((statement) => !remembered.test(statement));
  } finally {
    await set('RESET log_line_prefix', 'RESET log_statement');
  }
}
