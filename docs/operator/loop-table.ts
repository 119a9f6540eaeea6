import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostOf, loops } from '#domain/schedule/loops.ts';

// `node docs/operator/loop-table.ts` writes the table of the loops into the page.

export const loopPage = join(import.meta.dirname, 'scheduler-ha.md');

const begin = '<!-- made by docs/operator/loop-table.ts: begin -->';
const end = '<!-- end -->';

function interval(minutes: number): string {
  return minutes === 60 ? '1 h' : `${minutes} min`;
}

/** The table of the loops, in Markdown. */
export function loopTable(): string {
  const rows = loops.map((loop) => {
    const host = hostOf(loop.name);
    const by = host.name === loop.name ? `\`${loop.function}\`` : `\`${loop.function}\`, with ${host.name}`;
    return [`\`${loop.name}\``, by, interval(loop.everyMinutes), `${loop.timeoutSeconds} s`, loop.referenceClass, loop.work, loop.guarantee];
  });
  const head = ['loop', 'function', 'every', 'time-out', 'class in the reference', 'what a tick does', 'what holds with any number of copies'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** A page with its table made anew. @throws {Error} when the page has no place for it */
export function withTable(page: string): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error('the page has no place for the table');
  return `${page.slice(0, from)}${begin}\n${loopTable()}\n${page.slice(to)}`;
}

if (import.meta.main) writeFileSync(loopPage, withTable(readFileSync(loopPage, 'utf8')));
