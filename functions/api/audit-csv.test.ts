import fc from 'fast-check';
import { expect, test } from 'vitest';
import { csvHead, csvLine } from './audit-csv.ts';

const event = {
  id: '1',
  at: '2026-01-01T00:00:00.000000Z',
  actor: 'ak-1',
  actor_type: 'APIKey',
  action: 'x',
  resource_type: 'y',
  resource_id: 'z',
  details: {},
  category: 'auth' as const,
  seq: null,
  hash: null,
};
/** RFC 4180, read by its own words. */
function cellsOf(line: string): string[] {
  const cells: string[] = [];
  for (let rest = line.slice(0, -2) + ','; rest !== '';) {
    const quoted = /^"((?:[^"]|"")*)",/s.exec(rest);
    const plain = quoted ?? /^([^",\r\n]*),/.exec(rest);
    if (plain === null) throw new Error(`no cell: ${rest}`);
    cells.push(quoted === null ? plain[1]! : plain[1]!.replaceAll('""', '"'));
    rest = rest.slice(plain[0].length);
  }
  return cells;
}

test('whatever an event says stays in its cell, and begins no formula', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.dictionary(fc.string(), fc.string()), (text, details) => {
      const cells = cellsOf(csvLine({ ...event, resource_id: text, details }));
      expect(cells.length).toBe(csvHead.split(',').length);
      expect(cells[6]).toBe(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);
      expect(JSON.parse(cells[10]!)).toEqual(details);
    }),
  );
});
