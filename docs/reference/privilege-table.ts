import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig } from '#infra/config.ts';
import { privileges } from '#infra/report/privileges.ts';
import { templatesOf } from '#infra/report/templates.ts';

// `node docs/reference/privilege-table.ts` writes the table of privileges into the page.

export const privilegePage = join(import.meta.dirname, 'privileges.md');

const begin = '<!-- made by docs/reference/privilege-table.ts: begin -->';
const end = '<!-- end -->';

/** The table of what each function may do, in Markdown. Actions of one function on one resource share a row. */
export async function privilegeTable(): Promise<string> {
  const rows = new Map<string, { readonly cells: readonly string[]; readonly actions: string[] }>();
  for (const { function: name, action, resource, condition } of privileges(await templatesOf(readConfig({})))) {
    const at = `${name}|${resource}|${condition}`;
    const row = rows.get(at) ?? { cells: [`\`${name}\``, `\`${resource}\``, condition === '' ? '' : `\`${condition}\``], actions: [] };
    row.actions.push(action);
    rows.set(at, row);
  }
  const body = [...rows.values()].map(({ cells: [name, resource, condition], actions }) => [name, actions.join(', '), resource, condition]);
  const head = ['function', 'may', 'on', 'if'];
  return [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** A page with its table made anew. @throws {Error} when the page has no place for it */
export async function withTable(page: string): Promise<string> {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error('the page has no place for the table');
  return `${page.slice(0, from)}${begin}\n${await privilegeTable()}\n${page.slice(to)}`;
}

if (import.meta.main) writeFileSync(privilegePage, await withTable(readFileSync(privilegePage, 'utf8')));
