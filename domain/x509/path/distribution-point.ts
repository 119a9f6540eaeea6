import { children, cursor, DerError, Tag, type Element } from '../../asn1/der.ts';
import { attributesOf } from '../name.ts';
import { canonicalRdn, type CanonicalName } from './distinguished-name.ts';
import { readFormedName, type FormedName } from './name-form.ts';

/** DistributionPointName as names to compare, each a text of its own (RFC 5280 §4.2.1.13). */
export type PointName = { readonly full: readonly string[] } | { readonly relative: string };

export interface DistributionPoint {
  readonly name: PointName | undefined;
  /** Reasons that its CRL covers, by bit; undefined: all. */
  readonly reasons: number | undefined;
  /** Names of who signs the CRL when the certificate's issuer does not; empty: it does. */
  readonly crlIssuer: readonly CanonicalName[];
}

/** Bits 1 to 8 of ReasonFlags: all that a CRL can say (RFC 5280 §6.3.2 (a)). */
export const allReasons = 0x1fe;

const maxPoints = 64;

/** Reads CRLDistributionPoints. @throws {DerError} */
export function readDistributionPoints(element: Element): readonly DistributionPoint[] {
  if (element.tag !== Tag.sequence) throw new DerError('distribution points are a SEQUENCE');
  return children(element, maxPoints).map((point) => {
    const parts = cursor(point, Tag.sequence);
    const name = parts.maybe(0xa0);
    const reasons = parts.maybe(0x81);
    const issuers = parts.maybe(0xa2);
    parts.end();
    return {
      name: name && readPointName(name),
      reasons: reasons && readReasons(reasons),
      crlIssuer: issuers === undefined ? [] : directoryNames(issuers),
    };
  });
}

/** Reads `[0] DistributionPointName`. @throws {DerError} */
export function readPointName(element: Element): PointName {
  const [choice, ...more] = children(element);
  if (choice === undefined || more.length > 0) throw new DerError('a malformed DistributionPointName');
  if (choice.tag === 0xa0) return { full: children(choice, maxPoints).map((name) => textOf(readFormedName(name))) };
  if (choice.tag === 0xa1) return { relative: canonicalRdn(attributesOf(choice)) };
  throw new DerError('a malformed DistributionPointName');
}

/** Reads ReasonFlags, an implicitly tagged BIT STRING. @throws {DerError} */
export function readReasons(element: Element): number {
  let mask = 0;
  for (let bit = 0; bit < 9; bit++) if (((element.content[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0) mask |= 1 << bit;
  return mask;
}

/** The texts that a point's name is compared by; a relative one begins with the CRL issuer's name. */
export function pointNames(name: PointName, crlIssuer: CanonicalName): readonly string[] {
  return 'full' in name ? name.full : [directoryText([...crlIssuer, name.relative])];
}

/** The text of a directory name among point names. */
export function directoryText(name: CanonicalName): string {
  return `directory:${JSON.stringify(name)}`;
}

function directoryNames(element: Element): readonly CanonicalName[] {
  return children(element, maxPoints)
    .map(readFormedName)
    .flatMap((name) => (name.form === 'directory' ? [name.name] : []));
}

function textOf(name: FormedName): string {
  if (name.form === 'directory') return directoryText(name.name);
  if (name.form === 'ip') return `ip:${name.octets.toString('hex')}`;
  return `${name.form}:${'value' in name ? name.value : name.kind}`;
}
