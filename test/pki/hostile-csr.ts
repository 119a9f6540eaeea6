import { checkPrimeSync, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import {
  bitString,
  boolean,
  der,
  explicit,
  integer,
  integerFromHex,
  nothing,
  octetString,
  oid,
  sequence,
  setOf,
  Tag,
} from '#domain/asn1/der.ts';
import { writeExtension } from '#domain/x509/extension.ts';
import { Oid } from '#domain/x509/oids.ts';

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const spkiOf = ({ publicKey }: Pair): Buffer => publicKey.export({ type: 'spki', format: 'der' });
const ecdsa = sequence(oid(Oid.ecdsaSha256));
const rsaSha256 = sequence(oid(Oid.sha256WithRSA), nothing);
const dnsName = (name: string): Buffer => der(0x82, Buffer.from(name));
const san = (...names: readonly Buffer[]): Buffer => writeExtension(Oid.subjectAltName, false, sequence(...names));
const request = (...extensions: readonly Buffer[]): Buffer => sequence(oid(Oid.extensionRequest), setOf(sequence(...extensions)));
const common = (tag: number, value: Buffer): Buffer => sequence(setOf(sequence(oid(Oid.commonName), der(tag, value))));

interface Parts {
  readonly pair?: Pair;
  readonly version?: Buffer;
  readonly subject?: Buffer;
  readonly spki?: Buffer;
  readonly attributes?: readonly Buffer[];
  readonly algorithm?: Buffer;
  readonly signature?: Buffer;
}

/** A CSR for a name with some parts replaced, signed by its key where that can sign; DER. */
function csr(name: string, parts: Parts = {}): Buffer {
  const pair = parts.pair ?? ec;
  const info = sequence(
    parts.version ?? integer(0),
    parts.subject ?? sequence(),
    parts.spki ?? spkiOf(pair),
    explicit(0, ...(parts.attributes ?? [request(san(dnsName(name)))])),
  );
  const isRsa = pair.privateKey.asymmetricKeyType === 'rsa';
  const digest = pair.privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  const signature = parts.signature ?? bitString(sign(digest, info, pair.privateKey));
  return sequence(info, parts.algorithm ?? (isRsa ? rsaSha256 : ecdsa), signature);
}

/** A CSR that is right but for the version of a certificate, which some libraries write there; DER. */
export const csrOfVersion = (name: string, version: number): Buffer => csr(name, { version: integer(version) });

const rsaSpki = (modulus: Buffer, exponent: Buffer): Buffer =>
  sequence(sequence(oid(Oid.rsaEncryption), nothing), bitString(sequence(modulus, exponent)));
const ecSpki = (curve: string, point: Buffer): Buffer => sequence(sequence(oid(Oid.ecPublicKey), oid(curve)), bitString(point));
const odd = (bytes: number): string => `c${randomBytes(bytes).toString('hex').slice(1, -1)}1`;

/** A key as the broken generator of CVE-2017-15361 made them: each prime is a power of 65537 modulo many small primes. */
export function rocaKey(): Pair {
  const primorial = smallPrimes(168).reduce((product, prime) => product * BigInt(prime), 1n);
  const prime = (): bigint => {
    for (;;) {
      const power = modularPower(65537n, BigInt(`0x${randomBytes(4).toString('hex')}`), primorial);
      const base = (3n << 1022n) + BigInt(`0x${randomBytes(100).toString('hex')}`) * primorial;
      const candidate = base - (base % primorial) + power;
      if (candidate >> 1024n === 0n && checkPrimeSync(candidate, { checks: 5 }) && candidate % 65537n !== 1n) return candidate;
    }
  };
  const [p, q] = [prime(), prime()];
  const d = inverse(65537n, (p - 1n) * (q - 1n));
  const text = (value: bigint): string => {
    const hex = value.toString(16);
    return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url');
  };
  const jwk = { kty: 'RSA', n: text(p * q), e: 'AQAB', d: text(d), p: text(p), q: text(q), dp: text(d % (p - 1n)), dq: text(d % (q - 1n)), qi: text(inverse(q, p)) }; // prettier-ignore
  const privateKey = createPrivateKey({ key: jwk, format: 'jwk' });
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

function smallPrimes(limit: number): number[] {
  const primes: number[] = [];
  for (let n = 2; n < limit; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return primes;
}

function modularPower(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (let [left, square] = [exponent, base % modulus]; left > 0n; left >>= 1n, square = (square * square) % modulus)
    if ((left & 1n) === 1n) result = (result * square) % modulus;
  return result;
}

function inverse(value: bigint, modulus: bigint): bigint {
  let [r, s, x, y] = [modulus, value % modulus, 0n, 1n];
  while (s > 1n) [r, s, x, y] = [s, r % s, y, x - (r / s) * y];
  return ((y % modulus) + modulus) % modulus;
}

/** CSRs that no door may take, each with what is wrong with it. @param name that the CSR asks for @returns DER */
export function hostileCsrs(name: string): readonly (readonly [what: string, der: Buffer])[] {
  const whole = csr(name);
  const rsa = (modulusLength: number, publicExponent = 65537): Pair => generateKeyPairSync('rsa', { modulusLength, publicExponent });
  let nested: Buffer = sequence();
  for (let depth = 0; depth < 1000; depth++) nested = sequence(nested);
  const [x, y] = [spkiOf(ec).subarray(-64, -32), spkiOf(ec).subarray(-32)];
  const asked = san(dnsName(name));
  return [
    ['one byte', Buffer.of(0x30)],
    ['the first half', whole.subarray(0, whole.length / 2)],
    ['all but its last byte', whole.subarray(0, -1)],
    ['a byte too many', Buffer.concat([whole, Buffer.of(0)])],
    ['an element too many', sequence(csr(name).subarray(4), nothing)],
    ['itself twice', Buffer.concat([whole, whole])],
    ['BER of indefinite length', Buffer.concat([Buffer.of(0x30, 0x80), whole.subarray(4), Buffer.of(0, 0)])],
    ['a length that is not minimal', Buffer.concat([Buffer.of(0x30, 0x83, 0), whole.subarray(2)])],
    ['a length of four gigabytes', Buffer.from('3084ffffffff00', 'hex')],
    ['a thousand nested elements', sequence(nested, ecdsa, bitString(Buffer.alloc(64)))],
    ['a thousand nested elements in an attribute', csr(name, { attributes: [sequence(oid('1.2.3'), setOf(nested))] })],
    ['more than 16 KiB', csr(name, { attributes: [request(asked, writeExtension('1.2.3.4', false, Buffer.alloc(16_384, 0x05)))] })],
    ['a thousand and one names', csr(name, { attributes: [request(san(...Array.from({ length: 1001 }, () => dnsName('a.example'))))] })],
    ['a hundred and one extensions', csr(name, { attributes: [request(asked, ...Array.from({ length: 100 }, (_, n) => writeExtension(`1.2.3.${n}`, false, nothing)))] })],
    ['an extension twice', csr(name, { attributes: [request(asked, asked)] })],
    ['two requests for extensions', csr(name, { attributes: [request(asked), request(asked)] })],
    ['a request for extensions with two values', csr(name, { attributes: [sequence(oid(Oid.extensionRequest), setOf(sequence(asked), sequence()))] })],
    ['a default written out', csr(name, { attributes: [request(sequence(oid(Oid.subjectAltName), boolean(false), octetString(sequence(dnsName(name)))))] })],
    ['an empty OBJECT IDENTIFIER', csr(name, { attributes: [sequence(der(Tag.oid), setOf(nothing))] })],
    ['an OBJECT IDENTIFIER without end', csr(name, { attributes: [sequence(der(Tag.oid, Buffer.of(0x2a, 0x83)), setOf(nothing))] })],
    ['an OBJECT IDENTIFIER of 65 octets', csr(name, { attributes: [sequence(der(Tag.oid, Buffer.alloc(65, 0x2a)), setOf(nothing))] })],
    ['an OBJECT IDENTIFIER that is not minimal', csr(name, { attributes: [sequence(der(Tag.oid, Buffer.of(0x2a, 0x80, 0x03)), setOf(nothing))] })],
    ['an unknown signature algorithm', csr(name, { algorithm: sequence(oid('1.2.3.4')) })],
    ['SHA-1 for its signature', csr(name, { algorithm: sequence(oid('1.2.840.10045.4.1')) })],
    ['the algorithm of another kind of key', csr(name, { algorithm: rsaSha256 })],
    ['the signature of another key', csr(name, { signature: bitString(sign('sha256', whole, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)) })],
    ['an empty signature', csr(name, { signature: bitString(Buffer.alloc(0)) })],
    ['a signature with unused bits', csr(name, { signature: der(Tag.bitString, Buffer.of(3, 0x30, 0x08)) })],
    ['a negative version', csr(name, { version: der(Tag.integer, Buffer.of(0xff)) })],
    ['version 4', csr(name, { version: integer(3) })],
    ['a version of 21 octets', csr(name, { version: der(Tag.integer, Buffer.concat([Buffer.of(1), Buffer.alloc(20)])) })],
    ['an INTEGER that is not minimal', csr(name, { version: der(Tag.integer, Buffer.of(0, 0)) })],
    ['an empty INTEGER', csr(name, { version: der(Tag.integer) })],
    ['a common name that is not UTF-8', csr(name, { subject: common(Tag.utf8String, Buffer.of(0xc3, 0x28)) })],
    ['half a code unit in a BMPString', csr(name, { subject: common(Tag.bmpString, Buffer.of(0)) })],
    ['a common name that is an INTEGER', csr(name, { subject: common(Tag.integer, Buffer.of(1)) })],
    ['an address of five octets', csr(name, { attributes: [request(san(dnsName(name), der(0x87, Buffer.alloc(5))))] })],
    ['a zero byte in a name', csr(name, { attributes: [request(san(dnsName(name), dnsName('a\0.example')))] })],
    ['a name beyond ASCII', csr(name, { attributes: [request(san(dnsName(name), dnsName('ä.example')))] })],
    ['a request to be a CA', csr(name, { attributes: [request(asked, writeExtension(Oid.basicConstraints, true, sequence(boolean(true))))] })],
    ['an RSA key of 1024 bits', csr(name, { pair: rsa(1024) })],
    ['an RSA key of 2047 bits', csr(name, { pair: rsa(2047) })],
    ['an RSA key of exponent 3', csr(name, { pair: rsa(2048, 3) })],
    ['an RSA key of an even exponent', csr(name, { spki: rsaSpki(integerFromHex(odd(256)), integer(65536)), algorithm: rsaSha256 })],
    ['an RSA key of exponent 1', csr(name, { spki: rsaSpki(integerFromHex(odd(256)), integer(1)), algorithm: rsaSha256, signature: bitString(Buffer.alloc(256, 1)) })],
    ['an RSA key of a negative exponent', csr(name, { spki: rsaSpki(integerFromHex(odd(256)), der(Tag.integer, Buffer.of(0xff))), algorithm: rsaSha256 })],
    ['an RSA exponent of 21 octets', csr(name, { spki: rsaSpki(integerFromHex(odd(256)), integerFromHex(odd(20))), algorithm: rsaSha256 })],
    ['a negative RSA modulus', csr(name, { spki: rsaSpki(der(Tag.integer, Buffer.alloc(256, 0x81)), integer(65537)), algorithm: rsaSha256 })],
    ['an RSA modulus of zero', csr(name, { spki: rsaSpki(integer(0), integer(65537)), algorithm: rsaSha256 })],
    ['an RSA modulus of 15,000 octets', csr(name, { spki: rsaSpki(integerFromHex(odd(15_000)), integerFromHex(odd(5))), algorithm: rsaSha256 })],
    ['an RSA key of the generator that is broken (ROCA)', csr(name, { pair: rocaKey() })],
    ['a point that is not on its curve', csr(name, { spki: ecSpki(Oid.p256, Buffer.concat([Buffer.of(4), x, x])) })],
    ['the point at infinity', csr(name, { spki: ecSpki(Oid.p256, Buffer.of(0)) })],
    ['a compressed point', csr(name, { spki: ecSpki(Oid.p256, Buffer.concat([Buffer.of(2 + ((y[31] ?? 0) & 1)), x])) })],
    ['a point of another curve’s size', csr(name, { spki: ecSpki(Oid.p384, Buffer.concat([Buffer.of(4), x, y])) })],
    ['a curve that is not ours', csr(name, { pair: generateKeyPairSync('ec', { namedCurve: 'secp256k1' }) })],
    ['curve parameters instead of a name', csr(name, { pair: generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' }) })],
    ['an Ed25519 key of 31 octets', csr(name, { spki: sequence(sequence(oid(Oid.ed25519)), bitString(Buffer.alloc(31))), algorithm: sequence(oid(Oid.ed25519)) })],
    ['a key that cannot sign (X25519)', csr(name, { spki: spkiOf(generateKeyPairSync('x25519')) })],
    ['a DSA key', csr(name, { pair: generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }), algorithm: sequence(oid('2.16.840.1.101.3.4.3.2')) })],
    ['text instead of bytes', Buffer.from('-----BEGIN CERTIFICATE REQUEST-----')],
  ]; // prettier-ignore
}

/** What every door takes: with a key of its own, for an agent's must be new. */
export const goodCsr = (name: string): Buffer => csr(name, { pair: generateKeyPairSync('ec', { namedCurve: 'P-256' }) });
