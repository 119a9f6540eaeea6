import { createHash, createPrivateKey, randomBytes } from 'node:crypto';
import { der, octetString, oid, sequence, Tag } from '#domain/asn1/der.ts';
import { certificatesOfPem } from '#domain/x509/pem.ts';

const keyProtector = oid('1.3.6.1.4.1.42.2.17.1.1');
const digestSize = 20;

/**
 * A Java keystore of version 2 with one key and its certificates, as sun.security.provider.JavaKeyStore writes it: what every Java reads, also one that knows no
 * PBES2. Its protection is SHA-1's, under a password that nobody can guess, and it lives for the moment in which keytool reads it. @param alias in lower case
 */
export function jksOf(leafPem: string, chainPem: string, keyPem: string, alias: string, password: string): Buffer {
  const secret = Buffer.from(password, 'utf16le').swap16();
  const plain = createPrivateKey(keyPem).export({ type: 'pkcs8', format: 'der' });
  const key = sequence(sequence(keyProtector, der(Tag.null)), octetString(protectedKey(plain, secret)));
  plain.fill(0);
  const certificates = certificatesOfPem(leafPem + chainPem);
  const body = Buffer.concat([
    ...[Buffer.from('feedfeed', 'hex'), int(2), int(1), int(1), text(alias), Buffer.alloc(8), counted(key), int(certificates.length)],
    ...certificates.flatMap((certificate) => [text('X.509'), counted(certificate)]),
  ]);
  return Buffer.concat([body, sha1(secret, Buffer.from('Mighty Aphrodite'), body)]);
}

/** As sun.security.provider.KeyProtector does: a salt, the key under a stream of digests, and a digest of it. */
function protectedKey(plain: Buffer, secret: Buffer): Buffer {
  const salt = randomBytes(digestSize);
  const blocks = [salt];
  while (blocks.length <= Math.ceil(plain.length / digestSize)) blocks.push(sha1(secret, blocks.at(-1) ?? salt));
  const stream = Buffer.concat(blocks.slice(1));
  const covered = plain.map((octet, at) => octet ^ (stream[at] ?? 0));
  return Buffer.concat([salt, covered, sha1(secret, plain)]);
}

function sha1(...parts: readonly Uint8Array[]): Buffer<ArrayBuffer> {
  const digest = createHash('sha1');
  for (const part of parts) digest.update(part);
  return Buffer.from(digest.digest());
}

function int(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
}

function text(value: string): Buffer {
  const octets = Buffer.from(value);
  return Buffer.concat([int(octets.length).subarray(2), octets]);
}

function counted(octets: Uint8Array): Buffer {
  return Buffer.concat([int(octets.length), octets]);
}
