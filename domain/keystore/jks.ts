import { skipJavaObject } from './java-object.ts';
import { damaged, javaReader } from './java-reader.ts';
import { KeystoreError, maxCertificates, type Keystore } from './keystore.ts';

const magics: readonly number[] = [0xfeedfeed, 0xcececece];
const maxEntries = 10_000;
const digestSize = 20;
const Entry = { key: 1, certificate: 2, secretKey: 3 } as const;

/** Whether a file begins as a Java keystore does: `JKS`, or `JCEKS`, which differ by how keys are protected in them. */
export function isJks(bytes: Buffer): boolean {
  return bytes.length >= 12 && magics.includes(bytes.readUInt32BE(0)) && [1, 2].includes(bytes.readUInt32BE(4));
}

/**
 * The certificates of a Java keystore, versions 1 and 2, which lie in it in the clear: no password is needed. Keys are passed over. The digest at the end, of the
 * store's password and all before it, must be there, or Java reads none of it; it is not compared: what fits none of the passwords at hand may have one of its own as
 * well as a fault, and each certificate is judged by itself.
 *
 * @param bytes of the whole file; `isJks` says that it is one
 */
export function readJks(bytes: Buffer): Keystore {
  const certificates: Buffer[] = [];
  let keyPresent = false;
  try {
    const reader = javaReader(bytes);
    reader.skip(4);
    const version = reader.int();
    const certificate = (): void => {
      const type = version === 1 ? 'X.509' : reader.text();
      const der = reader.octets();
      if (type !== 'X.509') return;
      if (certificates.length >= maxCertificates) throw new KeystoreError('unknown', `it holds more than ${maxCertificates} certificates`);
      certificates.push(Buffer.from(der));
    };
    const entries = reader.int();
    if (entries > maxEntries) throw new KeystoreError('unknown', `it holds more than ${maxEntries} entries`);
    for (let entry = 0; entry < entries; entry++) {
      const tag = reader.int();
      reader.text();
      // Milliseconds since the epoch.
      reader.skip(8);
      if (tag === Entry.certificate) certificate();
      else if (tag === Entry.key) {
        keyPresent = true;
        reader.skip(reader.int());
        for (let left = reader.int(); left > 0; left--) certificate();
      } else if (tag === Entry.secretKey) skipJavaObject(reader);
      else throw damaged('an entry of no kind');
    }
    reader.skip(digestSize);
  } catch (error) {
    if (!(error instanceof KeystoreError)) throw error;
    return { certificates, keyPresent, problem: error };
  }
  return { certificates, keyPresent, problem: undefined };
}
