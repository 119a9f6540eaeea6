import { isDnsName } from '../dns-name.ts';
import { startsWith } from './distinguished-name.ts';
import type { FormedName } from './name-form.ts';

/** A base of name constraints, as {@link FormedName} and as the GeneralName that it was, DER; an ip base is a network and its mask. */
export type Subtree = FormedName & { readonly der: Buffer };

/**
 * Whether a constraint's base is well formed. An empty dns, email, uri or upn base stands for all names of its form; a dns base has no leading dot
 * (RFC 5280 §4.2.1.10 knows none), the others say by it that they mean hosts below a domain and not the domain itself.
 */
export function isWellFormed(subtree: Subtree): boolean {
  switch (subtree.form) {
    case 'dns':
      return subtree.value === '' || isHost(subtree.value);
    case 'uri':
      return subtree.value === '' || isHost(subtree.value.replace(/^\./, ''));
    case 'email':
    case 'upn':
      return subtree.value === '' || isMailbox(subtree.value) || isHost(subtree.value.replace(/^[.@]/, ''));
    case 'ip':
      return (subtree.octets.length === 8 || subtree.octets.length === 32) && isContiguous(maskOf(subtree.octets));
    default:
      return true;
  }
}

/**
 * Whether a name lies in a subtree of its form; undefined when the name is no proper one, so that nothing can be said.
 *
 * @param excluded a wildcard lies in a permitted subtree when all its hosts do, in an excluded one when any does
 */
export function holds(subtree: Subtree, name: FormedName, excluded: boolean): boolean | undefined {
  if (subtree.form === 'dns' && name.form === 'dns') return holdsDns(subtree.value, name.value, excluded);
  if (subtree.form === 'uri' && name.form === 'uri') {
    const host = hostOfUri(name.value);
    return host === undefined ? undefined : holdsHost(subtree.value, host);
  }
  if ((subtree.form === 'email' && name.form === 'email') || (subtree.form === 'upn' && name.form === 'upn'))
    return holdsMailbox(subtree.value, name.value);
  if (subtree.form === 'ip' && name.form === 'ip') return holdsAddress(subtree.octets, name.octets);
  if (subtree.form === 'directory' && name.form === 'directory') return startsWith(name.name, subtree.name);
  return undefined;
}

/** Whether all names of one subtree lie in another. */
export function covers(outer: Subtree, inner: Subtree): boolean {
  if (outer.form === 'ip' && inner.form === 'ip') {
    const half = outer.octets.length / 2;
    if (inner.octets.length !== outer.octets.length) return false;
    const inside = maskOf(outer.octets).every((octet, index) => (octet & (inner.octets[half + index] ?? 0)) === octet);
    return inside && holdsAddress(outer.octets, inner.octets.subarray(0, half)) === true;
  }
  if (outer.form === 'directory' && inner.form === 'directory') return startsWith(inner.name, outer.name);
  if (outer.form === 'dns' && inner.form === 'dns')
    return outer.value === '' || (inner.value !== '' && isAtOrBelow(inner.value, outer.value));
  if (outer.form === 'other' || inner.form === 'other' || outer.form !== inner.form) return false;
  if (!('value' in outer) || !('value' in inner)) return false;
  return coversHosts(outer.value, inner.value);
}

// ---- dNSName ----

function holdsDns(base: string, name: string, excluded: boolean): boolean | undefined {
  const wildcard = name.startsWith('*.');
  const host = wildcard ? name.slice(2) : name;
  if (!isHost(host)) return undefined;
  if (base === '' || isAtOrBelow(host, base)) return true;
  // *.example.com stands for www.example.com too, which a subtree of that name excludes.
  return wildcard && excluded && fold(base).slice(base.indexOf('.') + 1) === fold(host);
}

function isAtOrBelow(host: string, base: string): boolean {
  const [one, other] = [fold(host), fold(base)];
  return one === other || one.endsWith(`.${other}`);
}

// ---- hosts of mailboxes and URIs ----

/** `.example.com`: hosts below; `example.com`: that host alone. */
function holdsHost(base: string, host: string): boolean {
  if (base === '') return true;
  return base.startsWith('.') ? fold(host).endsWith(fold(base)) : fold(host) === fold(base);
}

function holdsMailbox(base: string, mailbox: string): boolean | undefined {
  if (!isMailbox(mailbox)) return undefined;
  const at = mailbox.lastIndexOf('@');
  if (!isMailbox(base)) return holdsHost(base.replace(/^@/, ''), mailbox.slice(at + 1));
  // A local part may depend on case, a host never does.
  const split = base.lastIndexOf('@');
  return base.slice(0, split) === mailbox.slice(0, at) && fold(base.slice(split)) === fold(mailbox.slice(at));
}

function coversHosts(outer: string, inner: string): boolean {
  const [one, other] = [outer.replace(/^@/, ''), inner.replace(/^@/, '')];
  if (isMailbox(one)) return isMailbox(other) && holdsMailbox(one, other) === true;
  if (isMailbox(other)) return holdsMailbox(one, other) === true;
  if (one === '' || other === '') return one === '';
  return fold(one) === fold(other) || (one.startsWith('.') && fold(other).endsWith(fold(one)));
}

/** The host of a URI that names one (RFC 3986 §3.2); undefined for an address, or when there is none. */
function hostOfUri(uri: string): string | undefined {
  const [, host] = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@\\]*@)?([^/?#:@\\[\]]+)(?::\d*)?(?:[/?#]|$)/i.exec(uri) ?? [];
  return host !== undefined && isHost(host) ? host : undefined;
}

function isMailbox(text: string): boolean {
  const at = text.lastIndexOf('@');
  return at > 0 && isHost(text.slice(at + 1));
}

/** A host name; unlike names that we issue it may have underscores and one label. */
function isHost(text: string): boolean {
  return isDnsName(text.replace(/_/g, 'a'));
}

function fold(text: string): string {
  return text.toLowerCase();
}

// ---- iPAddress ----

function holdsAddress(base: Buffer, address: Buffer): boolean | undefined {
  if (address.length !== 4 && address.length !== 16) return undefined;
  if (address.length * 2 !== base.length) return false;
  return maskOf(base).every((mask, index) => (((base[index] ?? 0) ^ (address[index] ?? 0)) & mask) === 0);
}

function maskOf(octets: Buffer): Buffer {
  return octets.subarray(octets.length / 2);
}

/** Ones, then zeros (RFC 4632 §3.1). */
function isContiguous(mask: Buffer): boolean {
  return /^1*0*$/.test(Array.from(mask, (octet) => octet.toString(2).padStart(8, '0')).join(''));
}
