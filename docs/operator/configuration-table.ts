import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { readConfig } from '#infra/config.ts';
import { limitNames, limits } from '#domain/limit/limits.ts';

// `node docs/operator/configuration-table.ts` writes the table of the settings into the page: names and meanings from the schema's source, defaults from the schema.

export const configurationPage = join(import.meta.dirname, 'configuration.md');

const begin = '<!-- made by docs/operator/configuration-table.ts: begin -->';
const end = '<!-- end -->';

interface Setting {
  readonly path: readonly string[];
  readonly meaning: string;
}

/** Every key of the schema with the comment above it, in the order of the source. */
function settings(): readonly Setting[] {
  const file = join(import.meta.dirname, '..', '..', 'infra', 'config.ts');
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
  let found: Setting[] | undefined;
  source.forEachChild((node) => {
    if (!ts.isVariableStatement(node)) return;
    for (const declaration of node.declarationList.declarations)
      if (declaration.name.getText() === 'schema' && declaration.initializer !== undefined) found = keysOf(declaration.initializer, []);
  });
  if (found === undefined) throw new Error('infra/config.ts has no schema');
  return found;
}

/** The keys of the first object literal within an expression. */
function keysOf(expression: ts.Node, path: readonly string[]): Setting[] {
  const literal = firstObject(expression);
  if (literal === undefined) return [];
  return literal.properties.flatMap((property) => {
    if (!ts.isPropertyAssignment(property)) return [];
    const own = [...path, property.name.getText()];
    const comment = ts.getJSDocCommentsAndTags(property).map((doc) => (typeof doc.comment === 'string' ? doc.comment : '')).join(' ');
    return [{ path: own, meaning: comment }, ...(isStrictObject(property.initializer) ? keysOf(property.initializer, own) : [])];
  });
}

function firstObject(node: ts.Node): ts.ObjectLiteralExpression | undefined {
  if (ts.isObjectLiteralExpression(node)) return node;
  return ts.forEachChild(node, firstObject);
}

function isStrictObject(node: ts.Node): boolean {
  return node.getText().replace(/\s/g, '').startsWith('z.strictObject({');
}

function defaultOf(path: readonly string[]): string {
  let value: unknown = readConfig({});
  for (const key of path) value = (value as Record<string, unknown> | undefined)?.[key];
  if (value === undefined) return '';
  // What has keys of its own says its defaults there.
  const hasKeys = typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;
  return hasKeys ? '' : `\`${JSON.stringify(value)}\``;
}

/** The table of the settings, in Markdown. Rate limits have a page of their own. */
export function configurationTable(): string {
  const limitSettings = new Set<string>(limitNames.map((name) => limits[name].setting));
  const rows = settings()
    .filter(({ path }) => !limitSettings.has(path.at(-1) ?? ''))
    .map(({ path, meaning }) => `| \`${path.join('.')}\` | ${defaultOf(path)} | ${meaning.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|')} |`);
  return ['| key | default | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

/** A page with its table made anew. @throws {Error} when the page has no place for it */
export function withTable(page: string): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error('the page has no place for the table');
  return `${page.slice(0, from)}${begin}\n${configurationTable()}\n${page.slice(to)}`;
}

if (import.meta.main) writeFileSync(configurationPage, withTable(readFileSync(configurationPage, 'utf8')));
