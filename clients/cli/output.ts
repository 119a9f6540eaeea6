import { stringify } from 'yaml';

export const formats = ['table', 'json', 'yaml'] as const;
export type Format = (typeof formats)[number];

/**
 * An answer for people or for programs.
 *
 * @param width of the terminal, in characters: a table shows the columns that fit
 */
export function render(answer: unknown, format: Format, width: number): string {
  if (typeof answer === 'string') return answer.trimEnd();
  if (format === 'json') return JSON.stringify(answer, null, 2);
  if (format === 'yaml') return stringify(answer).trimEnd();
  const { items, next_cursor: cursor } = answer as { items?: unknown; next_cursor?: string | null };
  if (!Array.isArray(items)) return pairs(answer);
  const more = typeof cursor === 'string' ? `\nmore with --cursor ${cursor}` : '';
  return (items.length === 0 ? 'none' : rows(items as Record<string, unknown>[], width)) + more;
}

const longest = 48;

function isEmpty(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return value === null || value === undefined || value === '';
  return Object.keys(value).length === 0;
}

function cell(value: unknown): string {
  if (isEmpty(value)) return '-';
  return (typeof value === 'string' ? value : JSON.stringify(value)).replace(/\s+/g, ' ');
}

function clipped(text: string): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`;
}

function rows(items: readonly Record<string, unknown>[], width: number): string {
  const names = [...new Set(items.flatMap((item) => Object.keys(item)))];
  const columns = names.map((name) => {
    const cells = [name.toUpperCase(), ...items.map((item) => clipped(cell(item[name])))];
    return { cells, width: Math.max(...cells.map(({ length }) => length)) };
  });
  let used = 0;
  const shown = columns.filter((column, index) => (used += column.width + 2) <= width + 2 || index === 0);
  const lines = [0, ...items.map((_, index) => index + 1)].map((row) =>
    shown
      .map((column) => (column.cells[row] ?? '').padEnd(column.width))
      .join('  ')
      .trimEnd(),
  );
  const hidden = names.length - shown.length;
  return lines.join('\n') + (hidden === 0 ? '' : `\n${hidden} more columns with --output json or yaml`);
}

/** Texts of several lines, as PEM, are shown as they are. */
function pairs(answer: unknown, indent = ''): string {
  if (typeof answer !== 'object' || answer === null) return `${indent}${cell(answer)}`;
  const entries = Object.entries(answer);
  const width = Math.max(0, ...entries.map(([name]) => name.length));
  return entries
    .map(([name, value]: [string, unknown]) => {
      if (typeof value === 'string' && value.includes('\n')) return `${indent}${name}\n${value.trimEnd()}`;
      if (typeof value === 'object' && value !== null && !Array.isArray(value) && !isEmpty(value))
        return `${indent}${name}\n${pairs(value, `${indent}  `)}`;
      return `${indent}${name.padEnd(width)}  ${cell(value)}`;
    })
    .join('\n');
}
