import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { bitString, boolean, der, explicit, integer, namedBits, nothing, oid, sequence, setOf, Tag, time } from '#domain/asn1/der.ts';
import { writeExtension } from '#domain/x509/extension.ts';
import { authorityKey, subjectKey } from '#domain/x509/leaf.ts';
import { writeName } from '#domain/x509/name.ts';
import { Oid } from '#domain/x509/oids.ts';
import { keyIdentifier } from '#domain/x509/public-key.ts';

/** A certificate made for a test, valid or not, with its key. */
export interface Made {
  readonly der: Buffer;
  readonly subject: Buffer;
  readonly key: KeyObject;
  readonly spki: Buffer;
}

export interface Recipe {
  /** Undefined: self-signed. */
  readonly issuer?: Made;
  /** Common name, or a whole Name in DER. */
  readonly subject?: string | Buffer;
  /** A CA of this path length, or without one; undefined: an end entity. */
  readonly ca?: { readonly pathLength?: number };
  readonly key?: { readonly privateKey: KeyObject; readonly publicKey: KeyObject };
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly serial?: bigint;
  /** Whole extensions, DER, beside those that the others say. */
  readonly extensions?: readonly Buffer[];
}

export const madeAt = new Date('2026-01-01T00:00:00Z');

let made = 0;

/** Makes and signs a certificate exactly as told; whether that is sensible is the test's affair. */
export function make(recipe: Recipe): Made {
  const pair = recipe.key ?? generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = pair.publicKey.export({ type: 'spki', format: 'der' });
  const subject = Buffer.isBuffer(recipe.subject) ? recipe.subject : writeName({ commonName: recipe.subject ?? `Made ${++made}` });
  const issuer = recipe.issuer ?? { subject, key: pair.privateKey, spki };
  const basic =
    recipe.ca === undefined
      ? []
      : [
          writeExtension(
            Oid.basicConstraints,
            true,
            sequence(boolean(true), ...(recipe.ca.pathLength === undefined ? [] : [integer(recipe.ca.pathLength)])),
          ),
          writeExtension(Oid.keyUsage, true, namedBits([5, 6])),
        ];
  const [algorithm, digest] = algorithmOf(issuer.key);
  const tbs = sequence(
    explicit(0, integer(2)),
    integer(recipe.serial ?? BigInt(`0x${createHash('sha256').update(spki).update(subject).digest('hex').slice(0, 16)}`)),
    algorithm,
    issuer.subject,
    sequence(time(recipe.notBefore ?? new Date('2025-01-01')), time(recipe.notAfter ?? new Date('2047-01-01'))),
    subject,
    spki,
    explicit(3, sequence(...basic, subjectKey(spki), authorityKey(keyIdentifier(issuer.spki)), ...(recipe.extensions ?? []))),
  );
  return { der: sequence(tbs, algorithm, bitString(sign(digest, tbs, issuer.key))), subject, key: pair.privateKey, spki };
}

function algorithmOf(key: KeyObject): readonly [algorithm: Buffer, digest: string | null] {
  if (key.asymmetricKeyType === 'rsa') return [sequence(oid(Oid.sha256WithRSA), nothing), 'sha256'];
  if (key.asymmetricKeyType === 'ed25519') return [sequence(oid(Oid.ed25519)), null];
  return [sequence(oid(Oid.ecdsaSha256)), 'sha256'];
}

// ---- extensions ----

export const alternativeNames = (...names: readonly Buffer[]): Buffer => writeExtension(Oid.subjectAltName, false, sequence(...names));

/** @param permitted GeneralNames, DER @param excluded GeneralNames, DER */
export function nameConstraints(permitted: readonly Buffer[], excluded: readonly Buffer[] = []): Buffer {
  const subtrees = (n: number, bases: readonly Buffer[]): Buffer[] =>
    bases.length === 0 ? [] : [explicit(n, ...bases.map((base) => sequence(base)))];
  return writeExtension(Oid.nameConstraints, true, sequence(...subtrees(0, permitted), ...subtrees(1, excluded)));
}

export const extendedKeyUsage = (...usages: readonly string[]): Buffer =>
  writeExtension(Oid.extKeyUsage, false, sequence(...usages.map(oid)));

export const policies = (...all: readonly string[]): Buffer =>
  writeExtension(Oid.certificatePolicies, false, sequence(...all.map((policy) => sequence(oid(policy)))));

export const policyMappings = (...pairs: readonly (readonly [string, string])[]): Buffer =>
  writeExtension(Oid.policyMappings, true, sequence(...pairs.map(([from, to]) => sequence(oid(from), oid(to)))));

// ---- GeneralNames ----

export const dns = (value: string): Buffer => der(0x82, Buffer.from(value));
export const email = (value: string): Buffer => der(0x81, Buffer.from(value));
export const uri = (value: string): Buffer => der(0x86, Buffer.from(value));
export const ip = (...octets: readonly number[]): Buffer => der(0x87, Buffer.from(octets));
export const directory = (organization: string, commonName?: string): Buffer =>
  der(0xa4, writeName({ organization, ...(commonName !== undefined && { commonName }) }));
export const upn = (value: string): Buffer => der(0xa0, oid(Oid.userPrincipalName), explicit(0, der(Tag.utf8String, Buffer.from(value))));
export const otherName = (type: string, value: string): Buffer =>
  der(0xa0, oid(type), explicit(0, der(Tag.utf8String, Buffer.from(value))));
export const registeredId = (value: string): Buffer => der(0x88, oid(value).subarray(2));

/** A Name of one PrintableString attribute. */
export const printableName = (commonName: string): Buffer =>
  sequence(setOf(sequence(oid(Oid.commonName), der(Tag.printableString, Buffer.from(commonName)))));
