import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readable } from '#domain/x509/lint.ts';
import { baselineRules } from '#domain/x509/lint-rules/baseline.ts';
import { authorityRules } from '#domain/x509/lint-rules/baseline-authority.ts';
import { subscriberRules } from '#domain/x509/lint-rules/baseline-subscriber.ts';
import { profileRules } from '#domain/x509/lint-rules/our-profile.ts';
import { rfc5280Rules } from '#domain/x509/lint-rules/rfc5280.ts';
import { lintKinds, type LintRule } from '#domain/x509/lint-rules/rule.ts';

// `node docs/reference/lint-table.ts` writes the tables of the rules into the page.

export const lintPage = join(import.meta.dirname, 'lint-rules.md');

const begin = '<!-- made by docs/reference/lint-table.ts: begin -->';
const end = '<!-- end -->';
/** Rules by where they come from. */
export const lintRules: Readonly<Record<string, readonly Omit<LintRule, 'holds'>[]>> = {
  'RFC 5280 and its companions': [readable, ...rfc5280Rules],
  'Our profile of it': profileRules,
  'TLS Baseline Requirements': [...baselineRules, ...subscriberRules, ...authorityRules],
};
const names = { leaf: 'subscriber', root: 'root', intermediate: 'CA below another', ocspResponder: 'OCSP responder' } as const;

/** The tables of the rules by where they come from, in Markdown. */
export function lintTables(): string {
  return Object.entries(lintRules)
    .map(([title, rules]) => {
      const rows = rules.map(({ id, source, says, kinds, refusal }) => [
        `\`${id}\``,
        says,
        kinds.length === lintKinds.length ? 'all' : kinds.map((kind) => names[kind]).join(', '),
        source,
        `\`${refusal ?? 'internal'}\``,
      ]);
      const head = ['rule', 'it must be that', 'of', 'source', 'refusal'];
      return [`## ${title}\n`, ...[head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`)].join('\n');
    })
    .join('\n\n');
}

/** A page with its tables made anew. @throws {Error} when the page has no place for them */
export function withTables(page: string): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error('the page has no place for the tables');
  return `${page.slice(0, from)}${begin}\n\n${lintTables()}\n\n${page.slice(to)}`;
}

if (import.meta.main) writeFileSync(lintPage, withTables(readFileSync(lintPage, 'utf8')));
