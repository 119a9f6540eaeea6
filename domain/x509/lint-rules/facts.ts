import { children, cursor, namedBitsOf, oidText, readDer, Tag, type Element } from '../../asn1/der.ts';
import { extensionOf, subjectAltNamesOf, usagesOf, type TbsCertificate } from '../certificate.ts';
import { extensionElement } from '../extension.ts';
import type { GeneralName } from '../general-name.ts';
import { rdnsOf, type Attribute } from '../name.ts';
import { Oid } from '../oids.ts';
import { parsePublicKey, type PublicKeyInfo } from '../public-key.ts';
import type { SignatureAlgorithm } from '../signer.ts';
import type { LintContext } from './rule.ts';

// Several rules look at the names, and there may be hundreds.
const names = new WeakMap<TbsCertificate, readonly GeneralName[]>();

/** The subject alternative names, read once. @throws {DerError} */
export function sansOf(tbs: TbsCertificate): readonly GeneralName[] {
  let found = names.get(tbs);
  if (found === undefined) {
    found = subjectAltNamesOf(tbs);
    names.set(tbs, found);
  }
  return found;
}

/** A name as text that tells it from others. */
export function nameText(name: GeneralName): string {
  return name.type === 'other' ? Buffer.from(name.der).toString('hex') : name.value;
}

/** The contents of an extension; undefined when it is not there. @throws {DerError} */
export function contentsOf(tbs: TbsCertificate, id: string): Element | undefined {
  const extension = extensionOf(tbs, id);
  return extension && extensionElement(extension);
}

/** Positions of the key usage bits (RFC 5280 §4.2.1.3). */
export function keyUsageBits(tbs: TbsCertificate): ReadonlySet<number> {
  const element = contentsOf(tbs, Oid.keyUsage);
  return element ? namedBitsOf(element) : new Set();
}

/** Extended key usages, dotted; none when the extension is missing. */
export function usages(tbs: TbsCertificate): readonly string[] {
  const extension = extensionOf(tbs, Oid.extKeyUsage);
  return extension ? usagesOf(extension) : [];
}

/** The policies that a certificate asserts, dotted. */
export function policiesOf(tbs: TbsCertificate): readonly string[] {
  const element = contentsOf(tbs, Oid.certificatePolicies);
  return element ? children(element, 100).map((policy) => oidText(cursor(policy, Tag.sequence).next(Tag.oid))) : [];
}

/** All URLs anywhere inside an extension. */
export function urlsOf(tbs: TbsCertificate, id: string): readonly string[] {
  const element = contentsOf(tbs, id);
  return element ? uris(element) : [];
}

function uris(element: Element): readonly string[] {
  if (element.tag === 0x86) return [element.content.toString('latin1')];
  return (element.tag & 0x20) === 0 ? [] : children(element).flatMap(uris);
}

/** The methods of authority information access, dotted (RFC 5280 §4.2.2.1). */
export function accessMethods(tbs: TbsCertificate): readonly string[] {
  const element = contentsOf(tbs, Oid.authorityInfoAccess);
  return element ? children(element, 100).map((access) => oidText(cursor(access, Tag.sequence).next(Tag.oid))) : [];
}

const attributes = new WeakMap<TbsCertificate, readonly Attribute[]>();

/** The subject's attributes in order, read once. @throws {DerError} */
export function attributesOf(tbs: TbsCertificate): readonly Attribute[] {
  let found = attributes.get(tbs);
  if (found === undefined) {
    found = rdnsOf(readDer(tbs.subject)).flat();
    attributes.set(tbs, found);
  }
  return found;
}

const algorithms = new WeakMap<Uint8Array, readonly SignatureAlgorithm[]>();
/** By what names the key, or its curve. */
const signedBy: Readonly<Record<string, SignatureAlgorithm>> = {
  [Oid.rsaEncryption]: 'rsa-pkcs1-sha256',
  [Oid.p256]: 'ecdsa-p256-sha256',
  [Oid.p384]: 'ecdsa-p384-sha384',
  [Oid.p521]: 'ecdsa-p521-sha512',
  [Oid.ed25519]: 'ed25519',
  [Oid.mlDsa44]: 'ml-dsa-44',
  [Oid.mlDsa65]: 'ml-dsa-65',
  [Oid.mlDsa87]: 'ml-dsa-87',
};

/** How a key may sign, told by its AlgorithmIdentifier alone: importing it would cost as much as a signature. @throws {DerError} */
export function algorithmsOf(spki: Uint8Array): readonly SignatureAlgorithm[] {
  let found = algorithms.get(spki);
  if (found === undefined) {
    const parts = cursor(cursor(readDer(spki), Tag.sequence).next(Tag.sequence));
    const type = oidText(parts.next(Tag.oid));
    const known = signedBy[type === Oid.ecPublicKey ? oidText(parts.next(Tag.oid)) : type];
    found = known === undefined ? [] : [known];
    algorithms.set(spki, found);
  }
  return found;
}

/** The subject's key, read anew where the context has none of it. @throws {CaError} `badPublicKey` */
export function subjectKeyOf(tbs: TbsCertificate, { publicKey }: LintContext): PublicKeyInfo {
  return publicKey !== undefined && tbs.spki.equals(publicKey.spki) ? publicKey : parsePublicKey(tbs.spki);
}
