import { DerError, type Element } from '../../asn1/der.ts';
import { attributeText, rdnsOf, type Attribute } from '../name.ts';

/** A Name in the form in which two are compared: one text for each relative distinguished name (RFC 5280 §7.1). */
export type CanonicalName = readonly string[];

/**
 * Prepares a Name for comparison: string types do not matter, nor case, nor white space at the ends or repeated (RFC 5280 §7.1, RFC 4518 §2). Attributes
 * that are no character strings are compared octet by octet.
 *
 * @throws {DerError}
 */
export function canonicalName(name: Element): CanonicalName {
  return rdnsOf(name).map(canonicalRdn);
}

const issuerNames = new Map<string, CanonicalName>();
const maxIssuerNames = 256;

/** The same for an issuer's Name, which many certificates have in common. @throws {DerError} */
export function canonicalIssuer(name: Element): CanonicalName {
  const key = name.raw.toString('latin1');
  let known = issuerNames.get(key);
  if (known === undefined) {
    known = canonicalName(name);
    if (issuerNames.size >= maxIssuerNames) issuerNames.clear();
    if (key.length <= 1024) issuerNames.set(key, known);
  }
  return known;
}

/** One relative distinguished name, its attributes in any order. */
export function canonicalRdn(attributes: readonly Attribute[]): string {
  const [only] = attributes;
  return attributes.length === 1 && only !== undefined
    ? canonicalAttribute(only)
    : attributes.map(canonicalAttribute).sort().join('\u0000');
}

export function sameName(one: CanonicalName, other: CanonicalName): boolean {
  return one.length === other.length && startsWith(one, other);
}

/** Whether a name lies at or below another in the directory's tree. */
export function startsWith(name: CanonicalName, prefix: CanonicalName): boolean {
  return prefix.length <= name.length && prefix.every((rdn, index) => name[index] === rdn);
}

function canonicalAttribute({ type, value }: Attribute): string {
  let text: string;
  try {
    text = attributeText(value);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    return `${type}#${value.raw.toString('hex')}`;
  }
  return `${type}=${prepare(text)}`;
}

// RFC 4518 §2.2 maps control and format characters to nothing and all spaces to one; lower case after upper case folds what has two lower cases (ß, ς).
function prepare(text: string): string {
  // To plain ASCII most of it does nothing.
  if (/^[\x20-\x7e]*$/.test(text)) return text.toLowerCase().replace(/ {2,}/g, ' ').trim();
  return text
    .normalize('NFKC')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKC')
    .replace(/[\t\n\v\f\r\u0085]/g, ' ')
    .replace(/[\p{Cc}\p{Cf}]/gu, '')
    .replace(/\p{Z}+/gu, ' ')
    .trim();
}
