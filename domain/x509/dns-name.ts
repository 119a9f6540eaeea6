import { domainToASCII, domainToUnicode } from 'node:url';

/**
 * Whether a text is a DNS host name in A-label form: LDH labels of 1 to 63 in lower or upper case, at most 253 in all, no trailing dot; an `xn--` label
 * must be well-formed (RFC 1034 §3.5, RFC 5890 §2.3.1). The last label is not all digits, so no address in disguise passes.
 */
export function isDnsName(text: string): boolean {
  if (text.length === 0 || text.length > 253) return false;
  const labels = text.split('.');
  return labels.every(isLabel) && !/^\d+$/.test(labels.at(-1) ?? '') && !/^0x[0-9a-f]*$/i.test(labels.at(-1) ?? '');
}

function isLabel(label: string): boolean {
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i.test(label)) return false;
  // Hyphens in third and fourth place are reserved for encodings, of which only A-labels exist.
  if (label.slice(2, 4) === '--') return /^xn--/i.test(label) && isAlabel(label);
  return true;
}

/** An A-label is what its U-label encodes to, and nothing that merely begins like one. */
function isAlabel(label: string): boolean {
  const ascii = `${label.toLowerCase()}.example`;
  const unicode = domainToUnicode(ascii);
  return unicode !== ascii && domainToASCII(unicode) === ascii;
}
