import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { GetPublicKeyCommand, SignCommand } from '@aws-sdk/client-kms';
import { ml_dsa44, ml_dsa65, ml_dsa87 } from '@noble/post-quantum/ml-dsa.js';
import { describe, expect, test } from 'vitest';
import { caKeyAlgorithms, mlDsaKinds, type CaKeyAlgorithm } from '#domain/x509/key-algorithm.ts';
import { assertSigned } from '#domain/x509/path/signature.ts';
import { algorithmIdentifier } from '#domain/x509/signer.ts';
import { describeKmsKey, kmsSigner } from './kms-signer.ts';

const arn = 'arn:aws:kms:eu-central-1:000000000000:key/00000000-0000-4000-8000-000000000000';
const tbs = Buffer.from('what is to be signed');

const pairs: Readonly<Record<CaKeyAlgorithm, () => { publicKey: KeyObject; privateKey: KeyObject }>> = {
  'ECDSA-P256': () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'ECDSA-P384': () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  'ECDSA-P521': () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  'RSA-2048': () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  'RSA-3072': () => generateKeyPairSync('rsa', { modulusLength: 3072 }),
  'RSA-4096': () => generateKeyPairSync('rsa', { modulusLength: 4096 }),
  'ML-DSA-44': () => generateKeyPairSync('ml-dsa-44'),
  'ML-DSA-65': () => generateKeyPairSync('ml-dsa-65'),
  'ML-DSA-87': () => generateKeyPairSync('ml-dsa-87'),
};
const wanted: Readonly<Record<CaKeyAlgorithm, readonly [signing: string, digestBytes: number | undefined]>> = {
  'ECDSA-P256': ['ECDSA_SHA_256', 32],
  'ECDSA-P384': ['ECDSA_SHA_384', 48],
  'ECDSA-P521': ['ECDSA_SHA_512', 64],
  'RSA-2048': ['RSASSA_PKCS1_V1_5_SHA_256', 32],
  'RSA-3072': ['RSASSA_PKCS1_V1_5_SHA_256', 32],
  'RSA-4096': ['RSASSA_PKCS1_V1_5_SHA_256', 32],
  'ML-DSA-44': ['ML_DSA_SHAKE_256', undefined],
  'ML-DSA-65': ['ML_DSA_SHAKE_256', undefined],
  'ML-DSA-87': ['ML_DSA_SHAKE_256', undefined],
};
const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });

/** A key service that takes exactly what KMS documents for a key, and nothing else. */
function strict(algorithm: CaKeyAlgorithm, privateKey: KeyObject, publicKey: KeyObject, keyUsage = 'SIGN_VERIFY') {
  const [signing, digestBytes] = wanted[algorithm];
  return {
    send: async (command: unknown): Promise<object> => {
      if (command instanceof GetPublicKeyCommand) {
        const spec = algorithm.startsWith('ECDSA') ? algorithm.replace('ECDSA-P', 'ECC_NIST_P') : algorithm.replaceAll('-', '_');
        return { KeyId: command.input.KeyId, KeySpec: spec, KeyUsage: keyUsage, PublicKey: spkiOf(publicKey) };
      }
      if (!(command instanceof SignCommand)) throw new Error('an unexpected command');
      const { KeyId, Message, MessageType, SigningAlgorithm } = command.input;
      expect([KeyId, SigningAlgorithm]).toEqual([arn, signing]);
      if (digestBytes === undefined) return { Signature: signMlDsa(algorithm, privateKey, MessageType, Message!) };
      expect([MessageType, Message?.length]).toEqual(['DIGEST', digestBytes]);
      const digest = `sha${digestBytes * 8}`;
      expect(Buffer.from(Message!)).toEqual(createHash(digest).update(tbs).digest());
      return { Signature: sign(digest, tbs, privateKey) };
    },
  } as unknown as Parameters<typeof kmsSigner>[0];
}

const references: Readonly<Record<string, typeof ml_dsa65>> = { 'ML-DSA-44': ml_dsa44, 'ML-DSA-65': ml_dsa65, 'ML-DSA-87': ml_dsa87 };

/** As KMS signs with ML-DSA: a message of up to 4096 bytes as it is, or a longer one's µ, which Node cannot sign and another implementation can. */
function signMlDsa(algorithm: CaKeyAlgorithm, privateKey: KeyObject, type: string | undefined, message: Uint8Array): Uint8Array {
  if (type === 'RAW') {
    expect(message.length).toBeLessThanOrEqual(4096);
    return sign(null, message, privateKey);
  }
  expect([type, message.length]).toEqual(['EXTERNAL_MU', 64]);
  const { priv } = privateKey.export({ format: 'jwk' });
  const reference = references[algorithm]!;
  const { secretKey } = reference.keygen(Buffer.from(String(priv), 'base64url'));
  return reference.internal.sign(message, secretKey, { externalMu: true });
}

/** What the client says when nobody answers, and of a fault that has no name of its own. */
const failing = (error: object): Parameters<typeof kmsSigner>[0] => ({
  send: async () => {
    throw Object.assign(new Error('recorded'), error);
  },
});

const refusing = (name: string): Parameters<typeof kmsSigner>[0] => ({
  send: async () => {
    throw Object.assign(new Error(`recorded: ${arn} ${name}`), { name, $fault: 'client', $metadata: { httpStatusCode: 400 } });
  },
});

describe('a CA key in KMS', () => {
  test.each(caKeyAlgorithms)('%s: is described, and signs what KMS takes of its kind, and verifies', async (algorithm) => {
    const { privateKey, publicKey } = pairs[algorithm]();
    const client = strict(algorithm, privateKey, publicKey);
    const key = await describeKmsKey(client, arn);
    expect(key.algorithm).toBe(algorithm);
    const signer = kmsSigner(client, key);
    assertSigned(signer.publicKeySpki, algorithmIdentifier[signer.algorithm], tbs, await signer.sign(tbs));
  });

  test.each(mlDsaKinds)(
    '%s: a message that KMS does not take as it is is signed by its representative, to the last octet',
    async (algorithm) => {
      const { privateKey, publicKey } = pairs[algorithm]();
      const types: unknown[] = [];
      const client = strict(algorithm, privateKey, publicKey);
      const noting = {
        send: async (command: SignCommand) => (types.push(command.input.MessageType), client.send(command)),
      };
      const signer = kmsSigner(noting, { arn, algorithm, spki: spkiOf(publicKey) });
      for (const length of [0, 1, 4096, 4097, 100_000]) {
        const message = randomBytes(length);
        const signature = await signer.sign(message);
        assertSigned(signer.publicKeySpki, algorithmIdentifier[signer.algorithm], message, signature);
        const other = Buffer.concat([message, Buffer.of(0)]);
        expect(() => assertSigned(signer.publicKeySpki, algorithmIdentifier[signer.algorithm], other, signature)).toThrow(
          'does not verify',
        );
      }
      expect(types).toEqual(['RAW', 'RAW', 'RAW', 'EXTERNAL_MU', 'EXTERNAL_MU']);
    },
  );

  test('a signature of another key than the certificate’s is not used', async () => {
    const [mine, other] = [pairs['ECDSA-P256'](), pairs['ECDSA-P256']()];
    const signer = kmsSigner(strict('ECDSA-P256', other.privateKey, other.publicKey), {
      arn,
      algorithm: 'ECDSA-P256',
      spki: spkiOf(mine.publicKey),
    });
    await expect(signer.sign(tbs)).rejects.toMatchObject({ code: 'internal' });
  });

  test('a key that encrypts is no CA key', async () => {
    const { privateKey, publicKey } = pairs['RSA-2048']();
    await expect(describeKmsKey(strict('RSA-2048', privateKey, publicKey, 'ENCRYPT_DECRYPT'), arn)).rejects.toMatchObject({
      code: 'malformed',
    });
  });

  test.each([
    ['ThrottlingException', 'unavailable', 2],
    ['LimitExceededException', 'unavailable', 2],
    ['KMSInternalException', 'unavailable', 2],
    ['KeyUnavailableException', 'unavailable', 2],
    ['DisabledException', 'unavailable', 300],
    // what KMS says of a key that is pending deletion
    ['KMSInvalidStateException', 'unavailable', 300],
    ['NotFoundException', 'internal', undefined],
    ['AccessDeniedException', 'internal', undefined],
    ['InvalidKeyUsageException', 'internal', undefined],
  ])('%s is %s, to be tried again after %s seconds, and names no key', async (name, code, retryAfter) => {
    const spki = spkiOf(pairs['ECDSA-P256']().publicKey);
    const signer = kmsSigner(refusing(name), { arn, algorithm: 'ECDSA-P256', spki });
    await expect(signer.sign(tbs)).rejects.toMatchObject({ code, retryAfter, message: expect.not.stringContaining('arn:') as unknown });
  });

  test.each([
    ['a connection that is refused', { code: 'ECONNREFUSED' }, 'the key service does not answer'],
    ['a fault without a name', { name: 'InternalFailure', $metadata: { httpStatusCode: 503 } }, 'the key service has a fault'],
    ['too much at once', { name: 'TooManyRequestsException', $metadata: { httpStatusCode: 429 } }, 'the key service is busy'],
  ])('%s may heal', async (_, error, message) => {
    const signer = kmsSigner(failing(error), { arn, algorithm: 'ECDSA-P256', spki: spkiOf(pairs['ECDSA-P256']().publicKey) });
    await expect(signer.sign(tbs)).rejects.toMatchObject({ code: 'unavailable', retryAfter: 2, message });
  });
});
