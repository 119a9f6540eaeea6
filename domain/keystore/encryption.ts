import { createDecipheriv } from 'node:crypto';
import { cursor, DerError, oidText, Tag, type Element } from '../asn1/der.ts';
import { KeystoreError, type Budget } from './keystore.ts';
import { pbkdf2Key, pbkdf2Of, pkcs12Key, Purpose, saltAndIterations, type PasswordEncoding } from './password-key.ts';
import { decryptRc2 } from './rc2.ts';

/** How something was encrypted by a password. */
export interface Encryption {
  readonly encoding: PasswordEncoding;
  /** @returns undefined: not with this password @throws {KeystoreError} `costly` */
  decrypt(password: Buffer, content: Buffer, budget: Budget): Promise<Buffer | undefined>;
}

interface Cipher {
  readonly keyLength: number;
  readonly block: number;
  /** With its padding. */
  undo(key: Buffer, iv: Buffer, content: Buffer): Buffer;
}

const openssl = (name: string, keyLength: number, block: number): Cipher => ({
  keyLength,
  block,
  undo(key, iv, content) {
    // Two keys are three, of which the first is the last.
    const whole = name === 'des-ede3-cbc' && key.length === 16 ? Buffer.concat([key, key.subarray(0, 8)]) : key;
    // Whole blocks: nothing is left for the end.
    return createDecipheriv(name, whole, iv).setAutoPadding(false).update(content);
  },
});
const rc2 = (keyLength: number): Cipher => ({
  keyLength,
  block: 8,
  undo: (key, iv, content) => decryptRc2(key, keyLength * 8, iv, content),
});

/** RFC 8018 Appendix B.2. */
const ciphers: Readonly<Record<string, Cipher>> = {
  '2.16.840.1.101.3.4.1.2': openssl('aes-128-cbc', 16, 16),
  '2.16.840.1.101.3.4.1.22': openssl('aes-192-cbc', 24, 16),
  '2.16.840.1.101.3.4.1.42': openssl('aes-256-cbc', 32, 16),
  '1.2.840.113549.3.7': openssl('des-ede3-cbc', 24, 8),
};

/** RFC 7292 Appendix C, without RC4. */
const pkcs12Ciphers: Readonly<Record<string, Cipher>> = {
  '1.2.840.113549.1.12.1.3': openssl('des-ede3-cbc', 24, 8),
  '1.2.840.113549.1.12.1.4': openssl('des-ede3-cbc', 16, 8),
  '1.2.840.113549.1.12.1.5': rc2(16),
  '1.2.840.113549.1.12.1.6': rc2(5),
};

const names: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.12.1.1': 'RC4 with 128 bits',
  '1.2.840.113549.1.12.1.2': 'RC4 with 40 bits',
  '1.2.840.113549.1.5.3': 'DES and MD5',
  '1.2.840.113549.1.5.10': 'DES and SHA-1',
};
const pbes2 = '1.2.840.113549.1.5.13';

/**
 * What an AlgorithmIdentifier says of an encryption by a password.
 *
 * @throws {DerError} @throws {KeystoreError} `unknown`
 */
export function encryptionOf(algorithm: Element): Encryption {
  const fields = cursor(algorithm, Tag.sequence);
  const name = oidText(fields.next(Tag.oid));
  if (name === pbes2) return pbes2Of(fields.next(Tag.sequence));
  const cipher = pkcs12Ciphers[name];
  if (cipher === undefined) throw notRead(name);
  const parameters = cursor(fields.next(Tag.sequence));
  const derivation = { ...saltAndIterations(parameters.next(Tag.octetString), parameters.next(Tag.integer)), digest: 'sha1' } as const;
  return {
    encoding: 'bmp',
    async decrypt(password, content, budget) {
      const key = await pkcs12Key(derivation, password, Purpose.key, cipher.keyLength, budget);
      const iv = await pkcs12Key(derivation, password, Purpose.iv, cipher.block, budget);
      return opened(cipher, key, iv, content);
    },
  };
}

/** PBES2 (RFC 8018 §6.2, Appendix A.4). */
function pbes2Of(parameters: Element): Encryption {
  const fields = cursor(parameters);
  const derivation = pbkdf2Of(fields.next(Tag.sequence));
  const scheme = cursor(fields.next(Tag.sequence));
  const name = oidText(scheme.next(Tag.oid));
  const cipher = ciphers[name];
  if (cipher === undefined) throw notRead(name);
  const iv = scheme.next(Tag.octetString).content;
  if (iv.length !== cipher.block || (derivation.keyLength ?? cipher.keyLength) !== cipher.keyLength)
    throw new DerError('a cipher’s parameters of another size');
  return {
    encoding: 'text',
    decrypt: async (password, content, budget) =>
      opened(cipher, await pbkdf2Key(derivation, password, cipher.keyLength, budget), iv, content),
  };
}

function notRead(name: string): KeystoreError {
  return new KeystoreError('unknown', `it is encrypted with ${names[name] ?? name}, which is not read`);
}

/** Undefined where the padding is none (RFC 8018 §6.1.1): the key is another. That the last block tells, before the others are worked on. */
function opened(cipher: Cipher, key: Buffer, iv: Buffer, content: Buffer): Buffer | undefined {
  const { block } = cipher;
  if (content.length === 0 || content.length % block !== 0) throw new DerError('encrypted contents of no whole number of blocks');
  const before = content.length > block ? content.subarray(-2 * block, -block) : iv;
  const last = cipher.undo(key, before, content.subarray(-block));
  const padding = last[block - 1] ?? 0;
  const isPadded = padding > 0 && padding <= block && last.subarray(-padding).every((octet) => octet === padding);
  const plain = isPadded ? cipher.undo(key, iv, content).subarray(0, -padding) : undefined;
  for (const octets of [last, key]) octets.fill(0);
  return plain;
}
