import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { root } from '../platform.ts';

const page = readFileSync(join(root, 'docs/contributor/acme-cases.md'), 'utf8');

interface Row {
  readonly number: number;
  readonly tests: readonly { readonly file: string; readonly title: string }[];
}

const rows: Row[] = [...page.matchAll(/^\| (\d+) \| [^|]+ \| ([^|]+) \|$/gm)].map(([, number, cell = '']) => ({
  number: Number(number),
  tests: [...cell.matchAll(/\]\(\.\.\/\.\.\/([^)]+)\) "([^"]+)"/g)].map(([, file = '', title = '']) => ({ file, title })),
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

test('every test that the table names is there', () => {
  const named = rows.flatMap(({ tests }) => tests);
  const there = new Map([...new Set(named.map(({ file }) => file))].map((file) => [file, titlesOf(file)]));
  expect(named.filter(({ file, title }) => there.get(file)?.has(title) !== true)).toEqual([]);
});
