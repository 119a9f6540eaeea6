import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { root } from '../platform.ts';

const page = readFileSync(join(root, 'docs/contributor/acme-cases.md'), 'utf8');
const threats = readFileSync(join(root, 'docs/reference/threat-model.md'), 'utf8');

interface Named {
  readonly file: string;
  readonly title: string;
}

interface Row {
  readonly number: number;
  readonly tests: readonly Named[];
}

/** The tests that a text names: links from a page two folders down, each with a title. */
const namedIn = (text: string): Named[] =>
  [...text.matchAll(/\]\(\.\.\/\.\.\/([^)]+)\) "([^"]+)"/g)].map(([, file = '', title = '']) => ({ file, title }));

const rows: Row[] = [...page.matchAll(/^\| (\d+) \| [^|]+ \| ([^|]+) \|$/gm)].map(([, number, cell = '']) => ({
  number: Number(number),
  tests: namedIn(cell),
}));

/** What the file runs by name: the titles of its tests and cases, as they stand in the source; what is skipped for good is none. */
function titlesOf(file: string): ReadonlySet<string> {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true);
  const titles = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /^(?:test|must|should)\b(?!\.(?:skip|todo)\b)/.test(node.expression.getText())) {
      for (const argument of node.arguments) {
        if (ts.isStringLiteralLike(argument)) titles.add(argument.text);
        else if (ts.isTemplateExpression(argument)) titles.add(argument.getText().slice(1, -1));
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return titles;
}

test('the table has the 54 cases, each once and in order, and each with a test', () => {
  expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: 54 }, (_, i) => i + 1));
  expect(rows.filter(({ tests }) => tests.length === 0)).toEqual([]);
});

test.each([
  ['the table of cases', page],
  ['the threat model', threats],
])('every test that %s names is there', (_, text) => {
  const named = namedIn(text);
  expect(named.length).toBeGreaterThan(20);
  const there = new Map([...new Set(named.map(({ file }) => file))].map((file) => [file, titlesOf(file)]));
  expect(named.filter(({ file, title }) => there.get(file)?.has(title) !== true)).toEqual([]);
  const folders = [...text.matchAll(/`((?:test|functions)\/[^`]+)`/g)].map(([, path = '']) => path);
  expect(folders.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});
