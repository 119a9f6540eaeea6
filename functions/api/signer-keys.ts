import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { addSignerKey, listSignerKeys, type SignerKeyBody } from '#contract/signer-keys.ts';
import type { Envelope } from '#adapters/kms/envelope.ts';
import type { KmsKey } from '#adapters/kms/kms-signer.ts';
import { sealSigner } from '#adapters/kms/sealed-signer.ts';
import type { SignerKeyRecord, SignerKeyStore } from '#adapters/postgres/signer-keys.ts';
import { CaError } from '#domain/error.ts';
import { mlDsaKinds, type CaKeyAlgorithm } from '#domain/x509/key-algorithm.ts';
import { toPem } from '#domain/x509/pem.ts';
import { assertStrongKey, parsePublicKey, type PublicKeyInfo } from '#domain/x509/public-key.ts';
import { caKeyContext } from '../shared/ca-key-context.ts';
import { serve, type Served } from './router.ts';

/** The operations of `contract/signer-keys.ts`. */
export function signerKeyOperations(ports: {
  readonly keys: SignerKeyStore;
  readonly envelope: Envelope;
  /** What KMS says of a key by its ARN. */
  readonly describe: (arn: string) => Promise<KmsKey>;
  readonly newId: (prefix: string) => string;
}): readonly Served[] {
  return [
    serve(listSignerKeys, async () => ({ data: (await ports.keys.list()).map(show) })),
    serve(addSignerKey, async ({ body, caller }) => {
      const id = ports.newId('key');
      if (body.driver === 'kms') {
        const { arn, algorithm, spki } = await knownToKms(ports.describe, body.ref);
        return show(await ports.keys.add({ id, driver: 'kms', algorithm, spki, ref: arn }, undefined, caller?.id ?? ''));
      }
      const key = readKey(body.private_key_pem);
      const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
      const algorithm = algorithmOf(parsePublicKey(spki));
      const { sealed } = await sealSigner(ports.envelope, caKeyContext(id), key);
      return show(await ports.keys.add({ id, driver: 'sealed', algorithm, spki, ref: undefined }, sealed, caller?.id ?? ''));
    }),
  ];
}

/** The deployment's permissions say which keys there are: any other is as good as none. */
async function knownToKms(describe: (arn: string) => Promise<KmsKey>, arn: string): Promise<KmsKey> {
  try {
    return await describe(arn);
  } catch (cause) {
    if (!(cause instanceof CaError) || cause.code !== 'internal') throw cause;
    throw new CaError('malformed', 'the key service has no such key for us; the deployment must name it in caKeyArns', { cause });
  }
}

function readKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // Whatever OpenSSL says of it might repeat a part of the key.
    throw new CaError('malformed', 'private_key_pem is no unencrypted private key in PEM');
  }
}

/** @throws {CaError} `badPublicKey` for a kind of key that no CA has */
function algorithmOf(key: PublicKeyInfo): CaKeyAlgorithm {
  assertStrongKey(key);
  if (key.kind === 'ECDSA') return `ECDSA-${key.curve.replace('-', '') as 'P256' | 'P384' | 'P521'}`;
  if (key.kind === 'RSA' && (key.bits === 2048 || key.bits === 3072 || key.bits === 4096)) return `RSA-${key.bits}`;
  const postQuantum = mlDsaKinds.find((kind) => kind === key.kind);
  if (postQuantum !== undefined) return postQuantum;
  throw new CaError('badPublicKey', 'a CA key is RSA of 2048, 3072 or 4096 bits, on P-256, P-384 or P-521, or ML-DSA');
}

function show(key: SignerKeyRecord): SignerKeyBody {
  return {
    id: key.id,
    driver: key.driver,
    algorithm: key.algorithm,
    public_key_pem: toPem('PUBLIC KEY', key.spki),
    state: key.state,
    created_by: key.createdBy,
    created_at: key.createdAt.toISOString(),
  };
}
