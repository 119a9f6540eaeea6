import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readManifest } from './manifest.ts';

function manifest(files: Readonly<Record<string, string>>): ReturnType<typeof readManifest> {
  const folder = mkdtempSync(join(tmpdir(), 'certctl-manifest-'));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    return readManifest(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
const one = (sql: string): ReturnType<typeof readManifest> => manifest({ '000001_a.up.sql': sql });

test.each([
  ['a gap', { '000001_a.up.sql': 'SELECT 1;', '000003_b.up.sql': 'SELECT 1;' }],
  ['a repeat', { '000001_a.up.sql': 'SELECT 1;', '000001_b.up.sql': 'SELECT 1;' }],
  ['a way back', { '000001_a.up.sql': 'SELECT 1;', '000002_a.down.sql': 'SELECT 1;' }],
  ['a file without a number', { 'seed.sql': 'SELECT 1;' }],
])('%s is refused', (_, files) => {
  expect(() => manifest(files)).toThrow(/numbered/);
});

test('carriage returns are refused, for they change the hash', () => {
  expect(() => one('SELECT 1;\r\n')).toThrow(/carriage returns/);
});

test.each(['BEGIN; SELECT 1; COMMIT;', 'SELECT 1;\nCOMMIT;', '-- why\nROLLBACK', 'start transaction; select 1', 'SELECT 1; SAVEPOINT a'])(
  'a file that handles transactions itself is refused: %s',
  (sql) => {
    expect(() => one(sql)).toThrow(/the runner begins and ends/);
  },
);

test.each([
  `CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;`,
  `CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $body$\nBEGIN\n COMMIT;\nEND\n$body$;`,
  `INSERT INTO t VALUES ('a; COMMIT; b');`,
  `-- ; COMMIT\nSELECT 1; /* ; ROLLBACK */`,
])('what only looks like it is accepted: %s', (sql) => {
  expect(one(sql)[0]?.concurrentIndex).toBeUndefined();
});

test('CONCURRENTLY stands alone', () => {
  expect(one('-- why\nCREATE UNIQUE INDEX CONCURRENTLY a_b ON a (b) WHERE c;\n')[0]?.concurrentIndex).toEqual({
    verb: 'create',
    name: 'a_b',
  });
  expect(one('DROP INDEX CONCURRENTLY IF EXISTS A_B;')[0]?.concurrentIndex).toEqual({ verb: 'drop', name: 'a_b' });
  for (const sql of [
    'CREATE INDEX CONCURRENTLY a ON b (c); SELECT 1;',
    'CREATE INDEX CONCURRENTLY ON b (c);',
    'DROP INDEX CONCURRENTLY a;',
    'REINDEX INDEX CONCURRENTLY a;',
    'CREATE INDEX CONCURRENTLY "a b" ON b (c);',
  ])
    expect(() => one(sql)).toThrow(/CONCURRENTLY stands alone/);
});

test('a budget is a minute unless the file says otherwise, and never more than a job should take', () => {
  expect(one('SELECT 1;')[0]?.budgetMs).toBe(60_000);
  expect(one('-- budget: 120 s\nSELECT 1;')[0]?.budgetMs).toBe(120_000);
  expect(() => one('-- budget: 601 s\nSELECT 1;')).toThrow(/is a job/);
});
