import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { der, explicit, integer, octetString, oid, sequence, setOf, Tag } from '#domain/asn1/der.ts';
import { certificatesOfPem } from '#domain/x509/pem.ts';

const data = oid('1.2.840.113549.1.7.1');
const shroudedKeyBag = oid('1.2.840.113549.1.12.10.1.2');
const certBag = oid('1.2.840.113549.1.12.10.1.3');
const x509Certificate = oid('1.2.840.113549.1.9.22.1');
const friendlyName = oid('1.2.840.113549.1.9.20');
const localKeyId = oid('1.2.840.113549.1.9.21');

/**
 * A PFX (RFC 7292 §4) with a key under PBES2 and its certificates in the clear, without a MAC: it lives for the moment in which keytool reads
 * it from a folder that nobody else may enter. @param alias friendlyName of the key
 */
export function pfxOf(leafPem: string, chainPem: string, keyPem: string, alias: string, password: string): Buffer {
  const certificates = certificatesOfPem(leafPem + chainPem);
  const [leaf = new Uint8Array()] = certificates;
  const id = createHash('sha1').update(new X509Certificate(leaf).raw).digest();
  const key = createPrivateKey(keyPem).export({ type: 'pkcs8', format: 'der', cipher: 'aes-256-cbc', passphrase: password });
  const name = Buffer.from(alias, 'utf16le').swap16();
  const ofKey = setOf(sequence(friendlyName, setOf(der(Tag.bmpString, name))), sequence(localKeyId, setOf(octetString(id))));
  const bags = [
    sequence(shroudedKeyBag, explicit(0, key), ofKey),
    ...certificates.map((certificate, at) =>
      sequence(
        certBag,
        explicit(0, sequence(x509Certificate, explicit(0, octetString(certificate)))),
        ...(at === 0 ? [setOf(sequence(localKeyId, setOf(octetString(id))))] : []),
      ),
    ),
  ];
  const contents = sequence(data, explicit(0, octetString(sequence(...bags))));
  return sequence(integer(3), sequence(data, explicit(0, octetString(sequence(contents)))));
}
