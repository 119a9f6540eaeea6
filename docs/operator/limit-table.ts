import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { limitNames, limitOf, limits, variableOf, type LimitDeclaration } from '#domain/limit/limits.ts';
import { policyOf, rateOf } from '#domain/limit/shape.ts';

// `node docs/operator/limit-table.ts` writes the table of the declared limits into the page.

export const limitPage = join(import.meta.dirname, 'rate-limit-scope.md');

const begin = '<!-- made by docs/operator/limit-table.ts: begin -->';
const end = '<!-- end -->';

const periods: Readonly<Record<number, string>> = { 1: 'second', 60: 'minute', 3600: 'hour', 10_800: '3 hours' };
const onError: Readonly<Record<LimitDeclaration['onError'], string>> = {
  open: 'admits all',
  tenth: 'each process admits a tenth by itself',
  closed: 'refuses with 503',
};

function most(declaration: LimitDeclaration): string {
  const { kind, count, windowSeconds } = declaration;
  const period = periods[windowSeconds] ?? `${windowSeconds} s`;
  switch (kind) {
    case 'burst':
      return `${rateOf(declaration, count).burst} at once, then ${count} per ${period}`;
    case 'bounded':
      return `never more than ${count} in any ${period}, ${rateOf(declaration, count).burst} of them at once`;
    case 'strict':
      return `never more than ${count} in any ${period}`;
    case 'failures':
      return `never more than ${count} failures in any ${period}`;
    case 'counted':
      return windowSeconds === 0 ? `${count} in a row` : `no order after ${count} failures in an ${period}`;
    case 'open':
      return `never more than ${count} at once`;
  }
}

/** The table of the declared limits, in Markdown. */
export function limitTable(): string {
  const rows = limitNames.map((name) => {
    const declaration = limitOf(name);
    const inDatabase = declaration.kind === 'open' || declaration.kind === 'counted';
    const shown = inDatabase || declaration.kind === 'failures' || name === 'ocsp-address';
    const header = shown ? '–' : `\`q=${policyOf(name, declaration.count).quota};w=${policyOf(name, declaration.count).windowSeconds}\``;
    return [
      `\`${name}\``,
      declaration.counts,
      declaration.per,
      most(declaration),
      `\`${declaration.setting}\` (\`${variableOf(limits[name].setting)}\`)${declaration.mayBeOff ? ', 0 switches it off' : ''}`,
      declaration.refusal,
      inDatabase ? `refuses with 503: ${declaration.because}` : `${onError[declaration.onError]}: ${declaration.because}`,
      header,
    ];
  });
  const head = ['limiter', 'counts', 'per', 'at most', 'setting (variable)', 'refusal', 'when the store does not answer', '`RateLimit-Policy`'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** A page with its table made anew. @throws {Error} when the page has no place for it */
export function withTable(page: string): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error('the page has no place for the table');
  return `${page.slice(0, from)}${begin}\n${limitTable()}\n${page.slice(to)}`;
}

if (import.meta.main) writeFileSync(limitPage, withTable(readFileSync(limitPage, 'utf8')));
