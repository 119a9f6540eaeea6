import { isJks, readJks } from '#domain/keystore/jks.ts';
import type { KeystoreError } from '#domain/keystore/keystore.ts';
import { isPkcs12, readPkcs12 } from '#domain/keystore/pkcs12.ts';
import { isCertificate, type CertificatesIn } from './certificates-in.ts';

/** What of a keystore may leave the host, and why that is not all that it holds. */
export interface KeystoreIn extends CertificatesIn {
  readonly problem: KeystoreError | undefined;
}

/**
 * The certificates of a PKCS#12 file or a Java keystore, and nothing else of it; undefined for what is neither, whatever its name.
 *
 * @param bytes of the whole file
 * @param passwords in the order in which they are tried; Java's keystores need none
 */
export async function keystoreIn(bytes: Buffer, passwords: readonly string[]): Promise<KeystoreIn | undefined> {
  const format = isJks(bytes) ? 'jks' : isPkcs12(bytes) ? 'pkcs12' : undefined;
  if (format === undefined) return undefined;
  const { certificates, keyPresent, problem } = format === 'jks' ? readJks(bytes) : await readPkcs12(bytes, passwords);
  return { certificates: certificates.filter(isCertificate), format, keyPresent, problem };
}
