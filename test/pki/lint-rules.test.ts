import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { lintTbsCertificate } from '#domain/x509/lint.ts';
import { baselineRules } from '#domain/x509/lint-rules/baseline.ts';
import { subscriberRules } from '#domain/x509/lint-rules/baseline-subscriber.ts';
import { lintKinds } from '#domain/x509/lint-rules/rule.ts';
import { lintPage, lintRules, lintTables, withTables } from '../../docs/reference/lint-table.ts';
import { broken, contextOf, kept, tbsOf, type Fixture } from './lint-fixtures.ts';

const all = Object.values(lintRules).flat();
const found = (fixture: Fixture): string[] =>
  lintTbsCertificate(tbsOf(fixture.kind, fixture.parts), contextOf(fixture)).map(({ rule }) => rule);

test('every rule has a fixture that breaks it, and every fixture a rule', () => {
  expect(Object.keys(broken).sort()).toEqual(all.map(({ id }) => id).sort());
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
});

test.each(Object.entries(broken))('given what breaks it, rule %s says so, and has said nothing before', (rule, fixtures) => {
  expect(fixtures.length).toBeGreaterThan(0);
  for (const fixture of fixtures) {
    expect(found({ kind: fixture.kind })).toEqual([]);
    expect(found(fixture)).toContain(rule);
  }
});

test.each(lintKinds)('given a %s that keeps them, no rule of any source says anything', (kind) => {
  expect(found({ kind })).toEqual([]);
});

test.each(kept)('given %s, no rule says anything', (_, fixture) => {
  expect(found(fixture)).toEqual([]);
});

test('rules of the public web say nothing about profiles that do not ask for them', () => {
  const rules = new Set([...baselineRules, ...subscriberRules].map(({ id }) => id));
  for (const fixture of Object.values(broken)
    .flat()
    .filter(({ kind }) => kind === 'leaf'))
    expect(found({ ...fixture, context: { ...fixture.context, further: [] } }).filter((rule) => rules.has(rule))).toEqual([]);
});

test('every rule names a clause and what it demands, and applies to something', () => {
  for (const { id, source, says, kinds } of all) {
    expect([id, source]).toEqual([id, expect.stringMatching(/^(?:RFC \d{4} (?:§|Appendix)|BR §|our profile)/)]);
    expect([id, says.length > 10, kinds.length > 0]).toEqual([id, true, true]);
  }
});

test('the page of the rules is the one that is enforced; `node docs/reference/lint-table.ts` writes it', () => {
  const page = readFileSync(lintPage, 'utf8');
  expect(page).toBe(withTables(page));
  expect(lintTables()).toContain('`br_no_reserved_ip`');
});
