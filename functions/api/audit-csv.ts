import type { AuditEventBody } from '#contract/audit.ts';

const columns = [
  'id',
  'at',
  'actor',
  'actor_type',
  'action',
  'resource_type',
  'resource_id',
  'category',
  'seq',
  'hash',
  'details',
] as const;

/** The first line (RFC 4180 §2). */
export const csvHead = `${columns.join(',')}\r\n`;

/** An event as a line. What a spreadsheet would take for a formula gets an apostrophe before it; NDJSON says it as it is. */
export function csvLine(event: AuditEventBody): string {
  const cells = columns.map((name) => {
    const value = event[name];
    if (value === null) return '';
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
    const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  });
  return `${cells.join(',')}\r\n`;
}
