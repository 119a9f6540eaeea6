import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalRow, endsAt, follow, genesis, seal, sealedRows, type Link, type SealedRows } from './chain.ts';
import type { AuditEvent } from './event.ts';

const start: Link = { seq: 0, hash: genesis };
const event = fc.record<AuditEvent>({
  id: fc.nat().map(String),
  at: fc.constant('2026-11-25T00:00:00.000000Z'),
  actor: fc.string({ unit: 'grapheme' }),
  actorType: fc.constant('APIKey'),
  action: fc.string(),
  resourceType: fc.string(),
  resourceId: fc.string(),
  details: fc.dictionary(
    fc.oneof(fc.string(), fc.nat(200).map(String), fc.constantFrom('a', 'B', '__proto__', '😀', '\uff5e')),
    fc.oneof(
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(fc.string()),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    ),
  ),
  category: fc.constantFrom('auth', 'config', 'cert_lifecycle'),
});
const chain = fc.array(event, { minLength: 1, maxLength: 12 }).map((events) => seal(start, events) as SealedRow[]);
type SealedRow = Link & { readonly event: AuditEvent | undefined };
const asStored = (rows: readonly SealedRow[]): SealedRows => sealedRows(Buffer.concat(rows.map(({ hash }) => hash)), rows);
const verdict = (rows: readonly SealedRow[], head: Link): string | undefined => {
  const { to, broken } = follow(start, asStored(rows));
  return (broken ?? endsAt(to, head))?.kind;
};

test('a row is in canonical JSON, whatever is in it', () => {
  fc.assert(
    fc.property(event, fc.nat(), (any, seq) => {
      expect(canonicalRow(seq, any)).toBe(canonicalize({ seq, ...any }));
    }),
  );
});

test('a chain that nobody touched holds, in one piece and in two', () => {
  fc.assert(
    fc.property(chain, fc.nat(), (rows, cut) => {
      const head = rows.at(-1)!;
      expect(verdict(rows, head)).toBeUndefined();
      const half = follow(start, asStored(rows.slice(0, cut % rows.length)));
      expect(endsAt(follow(half.to, asStored(rows.slice(cut % rows.length))).to, head)).toBeUndefined();
    }),
  );
});

test('a row that was altered, deleted, moved or inserted, and a tail that was cut, are found', () => {
  fc.assert(
    fc.property(chain, fc.nat(), event, (rows, at, other) => {
      const index = at % rows.length;
      const head = rows.at(-1)!;
      const row = rows[index]!;
      const swapped = (next: SealedRow): SealedRow[] => rows.with(index, next);
      expect(verdict(swapped({ ...row, event: { ...row.event!, actor: `${row.event!.actor}x` } }), head)).toBe('altered');
      expect(verdict(swapped({ ...row, event: { ...row.event!, details: { ...row.event!.details, added: 1 } } }), head)).toBe('altered');
      expect(verdict(swapped({ ...row, event: undefined }), head)).toBe('deleted');
      expect(verdict(rows.toSpliced(index, 1), head)).toBe(index === rows.length - 1 ? 'truncated' : 'gap');
      expect(verdict(rows.slice(0, -1), head)).toBe('truncated');
      if (index > 0) {
        const moved = rows
          .with(index, { ...row, event: rows[index - 1]!.event })
          .with(index - 1, { ...rows[index - 1]!, event: row.event });
        expect(['altered', undefined]).toContain(verdict(moved, head));
      }
      // Whoever seals anew from a row on makes a chain that holds in itself, and does not end where the head, or an anchor, says.
      const resealed = seal(index === 0 ? start : rows[index - 1]!, [other, ...rows.slice(index + 1).map(({ event: next }) => next!)]);
      expect([undefined, 'rewritten']).toContain(verdict([...rows.slice(0, index), ...resealed], head));
      if (JSON.stringify(other) !== JSON.stringify(row.event))
        expect(verdict([...rows.slice(0, index), ...resealed], head)).toBe('rewritten');
    }),
  );
});

test('what two fields hold together cannot be moved from one to the other', () => {
  const one = {
    id: '1',
    at: 'x',
    actor: 'a|b',
    actorType: 'c',
    action: '',
    resourceType: '',
    resourceId: '',
    details: {},
    category: 'auth',
  } as const;
  const two = { ...one, actor: 'a', actorType: 'b|c' } as const;
  expect(seal(start, [one])[0]!.hash).not.toEqual(seal(start, [two])[0]!.hash);
});
