import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AwsError } from './aws-error.ts';

const version = 1;
const maxPlain = 4096;

interface Input {
  readonly KeyId?: string;
  readonly Plaintext?: string;
  readonly CiphertextBlob?: string;
  readonly EncryptionContext?: Readonly<Record<string, string>>;
}

/** Encrypt and Decrypt under a key file of mode 0600; the context is authenticated with the ciphertext, as KMS does. */
export function kms(folder: string, keyArns: readonly string[]): (operation: string, input: unknown) => object {
  const keys = new Map(keyArns.map((arn) => [arn, keyFile(join(folder, `${arn.split('/').at(-1) ?? 'key'}.key`))]));
  const keyOf = (id: string | undefined): [string, Buffer] => {
    const key = keys.get(id ?? '');
    if (id === undefined || key === undefined) throw new AwsError('NotFoundException', `Key '${id ?? ''}' does not exist`);
    return [id, key];
  };
  return (operation, raw) => {
    const input = raw as Input;
    const [arn, key] = keyOf(input.KeyId);
    const context = Buffer.from(JSON.stringify([arn, Object.entries(input.EncryptionContext ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))]));
    switch (operation) {
      case 'Encrypt': {
        const plain = Buffer.from(input.Plaintext ?? '', 'base64');
        if (plain.length === 0 || plain.length > maxPlain)
          throw new AwsError('ValidationException', `Plaintext must have 1 to ${maxPlain} bytes`);
        const iv = randomBytes(12);
        const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(context);
        const sealed = Buffer.concat([Buffer.of(version), iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
        return { CiphertextBlob: sealed.toString('base64'), KeyId: arn, EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' };
      }
      case 'Decrypt': {
        const sealed = Buffer.from(input.CiphertextBlob ?? '', 'base64');
        try {
          if (sealed[0] !== version || sealed.length < 30) throw new Error('not ours');
          const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(1, 13)).setAAD(context).setAuthTag(sealed.subarray(-16));
          const plain = Buffer.concat([decipher.update(sealed.subarray(13, -16)), decipher.final()]);
          return { Plaintext: plain.toString('base64'), KeyId: arn, EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' };
        } catch {
          throw new AwsError('InvalidCiphertextException', 'The ciphertext or the encryption context is not right');
        }
      }
      default:
        throw new AwsError('UnsupportedOperationException', `${operation} is not played here`);
    }
  };
}

function keyFile(file: string): Buffer {
  if (!existsSync(file)) {
    try {
      writeFileSync(file, randomBytes(32), { mode: 0o600, flag: 'wx' });
    } catch (error) {
      if ((error as { code?: string }).code !== 'EEXIST') throw error;
    }
  }
  const key = readFileSync(file);
  if (key.length !== 32) throw new Error(`the key file ${file} is damaged`);
  return key;
}
