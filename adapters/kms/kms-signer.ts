import { createHash, createPublicKey, verify } from 'node:crypto';
import { GetPublicKeyCommand, SignCommand, type KMSClient, type SignCommandInput, type SigningAlgorithmSpec } from '@aws-sdk/client-kms';
import { CaError } from '#domain/error.ts';
import { signatureOf, type CaKeyAlgorithm } from '#domain/x509/key-algorithm.ts';
import { messageRepresentative } from '#domain/x509/ml-dsa.ts';
import { publicKeyBits } from '#domain/x509/public-key.ts';
import type { Signer } from '#domain/x509/signer.ts';
import { asking } from './asking.ts';

interface Scheme {
  readonly keySpec: string;
  readonly signing: SigningAlgorithmSpec;
  /** null: the message itself is signed. */
  readonly digest: 'sha256' | 'sha384' | 'sha512' | null;
}

const schemes: Readonly<Record<CaKeyAlgorithm, Scheme>> = {
  'ECDSA-P256': { keySpec: 'ECC_NIST_P256', signing: 'ECDSA_SHA_256', digest: 'sha256' },
  'ECDSA-P384': { keySpec: 'ECC_NIST_P384', signing: 'ECDSA_SHA_384', digest: 'sha384' },
  'ECDSA-P521': { keySpec: 'ECC_NIST_P521', signing: 'ECDSA_SHA_512', digest: 'sha512' },
  'RSA-2048': { keySpec: 'RSA_2048', signing: 'RSASSA_PKCS1_V1_5_SHA_256', digest: 'sha256' },
  'RSA-3072': { keySpec: 'RSA_3072', signing: 'RSASSA_PKCS1_V1_5_SHA_256', digest: 'sha256' },
  'RSA-4096': { keySpec: 'RSA_4096', signing: 'RSASSA_PKCS1_V1_5_SHA_256', digest: 'sha256' },
  'ML-DSA-44': { keySpec: 'ML_DSA_44', signing: 'ML_DSA_SHAKE_256', digest: null },
  'ML-DSA-65': { keySpec: 'ML_DSA_65', signing: 'ML_DSA_SHAKE_256', digest: null },
  'ML-DSA-87': { keySpec: 'ML_DSA_87', signing: 'ML_DSA_SHAKE_256', digest: null },
};
/** Longer messages KMS does not take as they are. */
const maxRawBytes = 4096;

/** A key in KMS that signs for a CA. */
export interface KmsKey {
  readonly arn: string;
  readonly algorithm: CaKeyAlgorithm;
  /** SubjectPublicKeyInfo, DER: what the certificate says, against which every signature is verified. */
  readonly spki: Uint8Array;
}

type Client = Pick<KMSClient, 'send'>;

/**
 * A signer whose key never leaves KMS. The digest, or what ML-DSA has in its place for a long message, is made here; each signature is verified before
 * it is used, so that a key that was exchanged signs nothing.
 */
export function kmsSigner(client: Client, key: KmsKey): Signer {
  const { signing, digest } = schemes[key.algorithm];
  const publicKey = createPublicKey({ key: Buffer.from(key.spki), format: 'der', type: 'spki' });
  return {
    algorithm: signatureOf[key.algorithm],
    publicKeySpki: key.spki,
    async sign(tbs) {
      const command = new SignCommand({ KeyId: key.arn, SigningAlgorithm: signing, ...messageOf(key.spki, digest, tbs) });
      const { Signature } = await asking(() => client.send(command));
      if (Signature === undefined || !verify(digest, tbs, publicKey, Signature))
        throw new CaError('internal', 'the key service gave a signature that does not verify');
      return Signature;
    },
  };
}

function messageOf(spki: Uint8Array, digest: Scheme['digest'], tbs: Uint8Array): Pick<SignCommandInput, 'Message' | 'MessageType'> {
  if (digest !== null) return { Message: createHash(digest).update(tbs).digest(), MessageType: 'DIGEST' };
  if (tbs.length <= maxRawBytes) return { Message: tbs, MessageType: 'RAW' };
  return { Message: messageRepresentative(publicKeyBits(spki), tbs), MessageType: 'EXTERNAL_MU' };
}

/**
 * Asks KMS what a key is.
 *
 * @throws {CaError} `malformed` when it is none that a CA may have, `unavailable`, `internal`
 */
export async function describeKmsKey(client: Client, arn: string): Promise<KmsKey> {
  const { KeySpec, KeyUsage, PublicKey } = await asking(() => client.send(new GetPublicKeyCommand({ KeyId: arn })));
  const [algorithm] = Object.entries(schemes).find(([, { keySpec }]) => keySpec === KeySpec) ?? [];
  if (algorithm === undefined || KeyUsage !== 'SIGN_VERIFY' || PublicKey === undefined)
    throw new CaError('malformed', 'the key is not for signing, or of a kind that no CA has');
  return { arn, algorithm: algorithm as CaKeyAlgorithm, spki: PublicKey };
}
