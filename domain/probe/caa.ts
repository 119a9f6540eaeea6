import { readIssueValue } from './issue-value.ts';

/** One CAA record (RFC 8659 §4.1). */
export interface CaaRecord {
  readonly critical: boolean;
  /** Lower case. */
  readonly tag: string;
  readonly value: string;
}

/** Who asks whether it may issue, and for what. */
export interface CaaQuestion {
  readonly wildcard: boolean;
  /** Issuer domain names that are the CA's. */
  readonly identities: readonly string[];
  /** RFC 8657 §3 */
  readonly accountUri: string;
  /** RFC 8657 §4 */
  readonly method: string;
}

const knownTags = new Set(['issue', 'issuewild', 'iodef', 'contactemail', 'contactphone', 'issuemail', 'issuevmc']);

/**
 * The records that govern a name: its own, or those of the nearest parent that has any (RFC 8659 §3).
 *
 * @param lookup records of exactly one name
 */
export async function relevantCaa(name: string, lookup: (name: string) => Promise<readonly CaaRecord[]>): Promise<readonly CaaRecord[]> {
  const labels = name.split('.');
  for (let from = 0; from < labels.length; from++) {
    const records = await lookup(labels.slice(from).join('.'));
    if (records.length > 0) return records;
  }
  return [];
}

/** Why the records forbid the certificate; undefined when they permit it (RFC 8659 §4, RFC 8657). */
export function caaRefusal(records: readonly CaaRecord[], question: CaaQuestion): string | undefined {
  const strange = records.find((record) => record.critical && !knownTags.has(record.tag));
  if (strange !== undefined) return 'a critical CAA property is not known here';
  const wild = records.filter((record) => record.tag === 'issuewild');
  const properties = question.wildcard && wild.length > 0 ? wild : records.filter((record) => record.tag === 'issue');
  if (properties.length === 0) return undefined;
  if (properties.some((property) => permits(property.value, question))) return undefined;
  return `the CAA records do not name this CA for ${question.wildcard ? 'wildcards' : 'this name'}, account and method`;
}

/** issue-value of RFC 8659 §4.2; what does not follow the grammar permits nobody. */
function permits(value: string, question: CaaQuestion): boolean {
  const read = readIssueValue(value);
  if (read === undefined || !question.identities.some((identity) => identity.toLowerCase() === read.issuer)) return false;
  return read.parameters.every(({ tag, value: text }) => {
    switch (tag) {
      case 'accounturi':
        return text === question.accountUri;
      case 'validationmethods':
        return text.split(',').includes(question.method);
      default:
        return true;
    }
  });
}
