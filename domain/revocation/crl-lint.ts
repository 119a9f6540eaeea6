import { children, contentEnd, contentStart, cursor, DerError, readDer, smallInteger, Tag, timeAt, type Element } from '../asn1/der.ts';
import { readExtensions } from '../x509/extension.ts';
import type { IssuerInfo } from '../x509/leaf.ts';
import type { LintFinding } from '../x509/lint.ts';
import { Oid } from '../x509/oids.ts';
import { algorithmIdentifier } from '../x509/signer.ts';
import { headerOf, issuingDistributionPoint } from './crl.ts';
import { octetSet } from './octet-set.ts';

// Head 2, INTEGER 18, UTCTime 15, reason 14 or none.
const usualEntryBytes = 40;

/** Checks a TBSCertList before it is signed (RFC 5280 §5); a rule that many entries break is told once. */
export function lintTbsCrl(
  tbs: Uint8Array,
  context: { readonly issuer: IssuerInfo; readonly point: string | undefined },
): readonly LintFinding[] {
  const findings = new Map<string, string>();
  const check = (rule: string, holds: boolean, detail: string): void => {
    if (!holds) findings.set(rule, detail);
  };
  try {
    const { parts, thisUpdate, nextUpdate } = headerOf(readDer(tbs, Number.MAX_SAFE_INTEGER));
    const [version, signature, issuer, , , list] = parts;
    check('crl_version_2', version !== undefined && smallInteger(version) === 1, 'the version must be 2 (§5.1.2.1)');
    check(
      'crl_signature_known',
      Object.values(algorithmIdentifier).some((known) => signature !== undefined && known.equals(signature.raw)),
      'the algorithm is not ours',
    );
    check('crl_issuer_matches', issuer?.raw.equals(context.issuer.subject) === true, "the issuer is not the CA's subject (§5.1.2.3)");
    check('crl_validity_order', thisUpdate < nextUpdate, 'nextUpdate is not after thisUpdate (§5.1.2.5)');
    const extensions = parts.find((part) => part.tag === 0xa0);
    const listed = extensions === undefined ? [] : children(cursor(extensions).next(Tag.sequence));
    const ids = extensions === undefined ? [] : readExtensions(cursor(extensions).next(Tag.sequence)).map((extension) => extension.id);
    check('crl_aki_present', ids.includes(Oid.authorityKeyIdentifier), 'the authority key identifier is missing (§5.2.1)');
    const point = listed[ids.indexOf(Oid.issuingDistributionPoint)];
    check(
      'crl_scope',
      context.point === undefined ? point === undefined : point?.raw.equals(issuingDistributionPoint(context.point)) === true,
      'the issuing distribution point is not that of the certificates which it lists (§5.2.5)',
    );
    if (list?.tag === Tag.sequence) lintEntries(list, nextUpdate, check);
  } catch (error) {
    findings.set('crl_der', error instanceof DerError ? error.message : 'unreadable');
  }
  return Array.from(findings, ([rule, detail]) => ({ rule, detail }));
}

/** By offsets, and what was just found good is not read again: a list may have a million entries, with few dates and reasons. */
function lintEntries(list: Element, nextUpdate: Date, check: (rule: string, holds: boolean, detail: string) => void): void {
  const bytes = list.content;
  check('crl_list_not_empty', bytes.length > 0, 'an empty list must be absent (§5.1.2.6)');
  const serials = octetSet(Math.ceil(bytes.length / usualEntryBytes));
  const isKnown = seenParts(10);
  let latest = 0;
  for (let at = 0; at < bytes.length;) {
    if (bytes[at] !== Tag.sequence) throw new DerError('an unexpected tag');
    const serial = contentStart(bytes, at);
    const end = contentEnd(bytes, at, serial);
    const octets = contentStart(bytes, serial);
    const date = contentEnd(bytes, serial, octets);
    const more = contentEnd(bytes, date, contentStart(bytes, date));
    if (bytes[serial] !== Tag.integer || more > end) throw new DerError('a malformed entry');
    check('crl_serial', date - octets <= 20 && (bytes[octets] ?? 0x80) < 0x80, 'a serial is not positive or too long');
    check('crl_serial_unique', serials.add(bytes, octets, date), 'a serial occurs twice');
    latest = Math.max(latest, timeAt(bytes, date, more));
    if (more < end && !isKnown(bytes, more, end))
      for (const { id } of readExtensions(readDer(bytes.subarray(more, end))))
        check('crl_entry_extension', id === Oid.cRLReason, 'an entry extension is not ours');
    at = end;
  }
  check('crl_revoked_before', latest <= nextUpdate.getTime(), 'a revocation lies after nextUpdate');
}

/** Whether a part of some bytes is one of the first few that were asked about. */
function seenParts(size: number): (bytes: Buffer, start: number, end: number) => boolean {
  const seen: Buffer[] = [];
  return (bytes, start, end) => {
    for (const part of seen) if (isAt(part, bytes, start, end)) return true;
    if (seen.length < size) seen.push(bytes.subarray(start, end));
    return false;
  };
}

function isAt(part: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (part.length !== end - start) return false;
  for (let i = part.length - 1; i >= 0; i--) if (part[i] !== bytes[start + i]) return false;
  return true;
}
