import { constants, generateKeyPairSync, privateEncrypt, randomUUID, sign, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js';
import { kms } from '../../infra/local/cloud/kms.ts';

export interface KeyService {
  /** Of the key that signs. */
  readonly arn: string;
  /** What no real service hands out: a root that exists was made with it. */
  readonly privateKey: KeyObject;
  /** For AWS_ENDPOINT_URL_KMS. */
  readonly url: string;
  /** What it was given to sign, digests for RSA, in hex, in order; one whose answer was lost as well. */
  readonly signed: readonly string[];
  stop(): Promise<void>;
}

/** How it behaves from now on; a test changes it as it goes. */
export interface KeyServiceBehaviour {
  /** Every signature is refused with this code and HTTP status. */
  refuses?: readonly [code: string, status: number] | undefined;
  /** Connections end without an answer, before anything is signed. */
  down?: boolean | undefined;
  /** Signatures that are made, and whose answer is lost. */
  losesAnswers?: number | undefined;
}

interface Kind {
  readonly make: () => { readonly privateKey: KeyObject; readonly publicKey: KeyObject };
  readonly algorithm: string;
  /** Undefined for what KMS would refuse. */
  readonly sign: (key: KeyObject, type: unknown, message: Buffer) => Uint8Array | undefined;
}

const sha256DigestInfo = Buffer.from('3031300d060960864801650304020105000420', 'hex');

/** By the specs of KMS. */
const kinds = {
  RSA_2048: {
    make: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
    algorithm: 'RSASSA_PKCS1_V1_5_SHA_256',
    // RSASSA-PKCS1-v1_5 of a digest that is there already (RFC 8017 §9.2): node:crypto would make one of it.
    sign: (key, type, digest) =>
      type === 'DIGEST' && digest.length === 32
        ? privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, Buffer.concat([sha256DigestInfo, digest]))
        : undefined,
  },
  ML_DSA_65: {
    make: () => generateKeyPairSync('ml-dsa-65'),
    algorithm: 'ML_DSA_SHAKE_256',
    sign: (key, type, message) => {
      if (type === 'RAW') return message.length <= 4096 ? sign(null, message, key) : undefined;
      if (type !== 'EXTERNAL_MU' || message.length !== 64) return undefined;
      // Node signs messages only.
      const { secretKey } = ml_dsa65.keygen(Buffer.from(String(key.export({ format: 'jwk' })['priv']), 'base64url'));
      return ml_dsa65.internal.sign(message, secretKey, { externalMu: true });
    },
  },
} satisfies Record<string, Kind>;

/**
 * AWS KMS as its documents describe four of its operations: Encrypt and Decrypt as `npm start` plays them, GetPublicKey and Sign of one key, strict about
 * what it signs. Only signatures fail when it is told to.
 */
export async function startKeyService(behaviour: KeyServiceBehaviour = {}, spec: keyof typeof kinds = 'RSA_2048'): Promise<KeyService> {
  const kind: Kind = kinds[spec];
  const arn = `arn:aws:kms:us-east-1:000000000000:key/${randomUUID()}`;
  const { privateKey, publicKey } = kind.make();
  const folder = mkdtempSync(join(tmpdir(), 'key-service-'));
  const signed: string[] = [];

  const answer = (operation: string, input: Record<string, unknown>): object => {
    if (operation === 'Encrypt' || operation === 'Decrypt') return kms(folder, [String(input['KeyId'])])(operation, input);
    if (input['KeyId'] !== arn) throw refusal('NotFoundException', 400);
    if (operation === 'GetPublicKey')
      return {
        KeyId: arn,
        KeySpec: spec,
        KeyUsage: 'SIGN_VERIFY',
        PublicKey: publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
      };
    if (operation !== 'Sign') throw refusal('UnsupportedOperationException', 400);
    if (behaviour.refuses !== undefined) throw refusal(...behaviour.refuses);
    const message = Buffer.from(String(input['Message']), 'base64');
    const signature = input['SigningAlgorithm'] === kind.algorithm ? kind.sign(privateKey, input['MessageType'], message) : undefined;
    if (signature === undefined) throw refusal('ValidationException', 400);
    signed.push(message.toString('hex'));
    return { KeyId: arn, SigningAlgorithm: kind.algorithm, Signature: Buffer.from(signature).toString('base64') };
  };

  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const operation = String(request.headers['x-amz-target']).split('.')[1] ?? '';
      const signs = operation === 'Sign';
      if (signs && behaviour.down === true) return void request.socket.destroy();
      let status = 200;
      let body: object;
      try {
        body = answer(operation, JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>);
      } catch (error) {
        ({ status } = { status: 400, ...(error as object) });
        body = { __type: (error as { code?: string }).code ?? 'KMSInternalException', message: String(error) };
      }
      if (signs && status === 200 && (behaviour.losesAnswers ?? 0) > 0) {
        behaviour.losesAnswers = (behaviour.losesAnswers ?? 0) - 1;
        return void request.socket.destroy();
      }
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    arn,
    privateKey,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    signed,
    stop: async () => {
      rmSync(folder, { recursive: true });
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

function refusal(code: string, status: number): Error {
  return Object.assign(new Error(`recorded: ${code}`), { code, status });
}
