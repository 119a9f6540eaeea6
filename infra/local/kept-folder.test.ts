import { randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { keepFolder, unpackKept } from './kept-folder.ts';

const scratch = mkdtempSync(join(tmpdir(), 'certctl-kept-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function emptyFolder(): string {
  const made = join(scratch, randomUUID());
  mkdirSync(made, { mode: 0o700 });
  return made;
}

/** A folder with a file in a folder, and the place where it is kept. */
async function kept(): Promise<{ readonly file: string; readonly place: string }> {
  const folder = emptyFolder();
  mkdirSync(join(folder, 'base'), { mode: 0o700 });
  writeFileSync(join(folder, 'base', '1'), 'one'.repeat(10_000), { mode: 0o600 });
  const place = emptyFolder();
  const file = join(place, 'schema-a.tar');
  await keepFolder(folder, file);
  return { file, place };
}

test('given a kept folder, an empty one is filled with the same files under the same modes', async () => {
  const { file, place } = await kept();
  expect(readdirSync(place)).toEqual(['schema-a.tar']);
  const folder = emptyFolder();
  expect(await unpackKept(folder, file)).toBe(true);
  expect(readFileSync(join(folder, 'base', '1'), 'utf8')).toBe('one'.repeat(10_000));
  expect([folder, join(folder, 'base'), join(folder, 'base', '1')].map((path) => statSync(path).mode & 0o777)).toEqual([
    0o700, 0o700, 0o600,
  ]);
});

test.each([
  ['is not there', (file: string) => rmSync(file)],
  ['is empty', (file: string) => truncateSync(file)],
  ['was cut off', (file: string) => truncateSync(file, statSync(file).size - 4096)],
  ['has another byte in the middle of a file', (file: string) => change(file, readFileSync(file).indexOf('oneone') + 3000)],
  ['has another byte in its checksum', (file: string) => change(file, statSync(file).size - 1)],
])('given a kept folder that %s, nothing is filled', async (_, damage) => {
  const { file } = await kept();
  damage(file);
  const folder = emptyFolder();
  expect(await unpackKept(folder, file)).toBe(false);
  expect(readdirSync(folder)).toEqual([]);
});

test('the three of a kind that were used last stay, and drafts that somebody may still write', async () => {
  const { file, place } = await kept();
  const folder = emptyFolder();
  const at = (name: string, minutesAgo: number): void => {
    writeFileSync(join(place, name), '', { flag: 'a' });
    utimesSync(join(place, name), new Date(), new Date(Date.now() - minutesAgo * 60_000));
  };
  at('schema-a.tar', 50);
  at('schema-b.tar', 40);
  at('schema-c.tar', 30);
  at('schema-b.tar.draft', 61);
  at('schema-c.tar.draft', 59);
  at('postgres-a.tar', 500);
  expect(await unpackKept(folder, file)).toBe(true);
  await keepFolder(folder, join(place, 'schema-d.tar'));
  expect(readdirSync(place).sort()).toEqual(['postgres-a.tar', 'schema-a.tar', 'schema-c.tar', 'schema-c.tar.draft', 'schema-d.tar']);
});

test('given a place that cannot be written to, keeping fails nobody', async () => {
  const { file } = await kept();
  await keepFolder(emptyFolder(), join(file, 'schema-b.tar'));
  expect(existsSync(file)).toBe(true);
});

test('a folder is filled to its end while what is kept is replaced and removed', async () => {
  const { file } = await kept();
  const folder = emptyFolder();
  const filling = unpackKept(folder, file);
  rmSync(file);
  expect(await filling).toBe(true);
  expect(readdirSync(join(folder, 'base'))).toEqual(['1']);
});

function change(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}
