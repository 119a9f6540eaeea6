import { DecryptCommand, EncryptCommand, KMSClient } from '@aws-sdk/client-kms';
import { CaError } from '#domain/error.ts';
import { asking } from './asking.ts';

/** Seals small secrets under the envelope key; the context must be the same to open what it sealed. Both throw `unavailable` while KMS does not answer. */
export interface Envelope {
  seal(plain: Uint8Array, context: string): Promise<Uint8Array>;
  unseal(sealed: Uint8Array, context: string): Promise<Uint8Array>;
}

/** @param keyArn a symmetric KMS key; at most 4096 bytes can be sealed */
export function envelope(keyArn: string): Envelope {
  const client = new KMSClient({ maxAttempts: 4 });
  return {
    async seal(plain, context) {
      const command = new EncryptCommand({ KeyId: keyArn, Plaintext: plain, EncryptionContext: { certctl: context } });
      const answer = await asking(() => client.send(command));
      if (answer.CiphertextBlob === undefined) throw new CaError('unavailable', 'the key service gave no answer');
      return answer.CiphertextBlob;
    },
    async unseal(sealed, context) {
      const command = new DecryptCommand({ KeyId: keyArn, CiphertextBlob: sealed, EncryptionContext: { certctl: context } });
      const answer = await asking(() => client.send(command));
      if (answer.Plaintext === undefined) throw new CaError('unavailable', 'the key service gave no answer');
      return answer.Plaintext;
    },
  };
}
