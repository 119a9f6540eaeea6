import { DerError } from '../asn1/der.ts';
import type { ErrorCode } from '../error.ts';
import { parseTbs, type TbsCertificate } from './certificate.ts';
import { profileRules } from './lint-rules/our-profile.ts';
import { rfc5280Rules } from './lint-rules/rfc5280.ts';
import { everyKind, lintKinds, type LintContext, type LintKind, type LintRule } from './lint-rules/rule.ts';

export interface LintFinding {
  /** Stable; refusals and alarms are keyed by it. */
  readonly rule: string;
  readonly detail: string;
  /** What it is to who asked; undefined: a defect of ours. */
  readonly refusal?: ErrorCode;
}

/** What cannot be read breaks no other rule, for none can look at it. */
export const readable: Omit<LintRule, 'holds'> = {
  id: 'der',
  source: 'RFC 5280 §4.1, §4.2',
  says: 'it is strict DER, each extension occurs once and no default is written out',
  kinds: everyKind,
};

const always: readonly LintRule[] = [...rfc5280Rules, ...profileRules];
const byKind = Object.fromEntries(lintKinds.map((kind) => [kind, ofKind(always, kind)])) as Readonly<Record<LintKind, readonly LintRule[]>>;

/**
 * Checks what is about to be signed. An empty list is a licence to sign.
 *
 * @param tbs TBSCertificate, DER
 */
export function lintTbsCertificate(tbs: Uint8Array, context: LintContext): readonly LintFinding[] {
  let parsed: TbsCertificate;
  try {
    parsed = parseTbs(tbs);
  } catch (error) {
    return [{ rule: readable.id, detail: error instanceof DerError ? error.message : 'unreadable' }];
  }
  return lintCertificate(parsed, context);
}

/** The same for a TBSCertificate that has been read. */
export function lintCertificate(tbs: TbsCertificate, context: LintContext): readonly LintFinding[] {
  const { kind, further } = context;
  return (further === undefined ? byKind[kind] : [...byKind[kind], ...ofKind(further, kind)])
    .filter((rule) => !holds(rule, tbs, context))
    .map(({ id, says, source, refusal }) => ({ rule: id, detail: `it must be that ${says} (${source})`, ...(refusal && { refusal }) }));
}

function ofKind(rules: readonly LintRule[], kind: LintKind): readonly LintRule[] {
  return rules.filter(({ kinds }) => kinds.includes(kind));
}

/** What no rule can read breaks it. */
function holds(rule: LintRule, tbs: TbsCertificate, context: LintContext): boolean {
  try {
    return rule.holds(tbs, context);
  } catch {
    return false;
  }
}
