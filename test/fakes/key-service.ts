import { constants, generateKeyPairSync, privateEncrypt, randomUUID, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kms } from '../../infra/local/cloud/kms.ts';

export interface KeyService {
  /** Of an RSA key of 2048 bits that signs. */
  readonly arn: string;
  /** What no real service hands out: a root that exists was made with it. */
  readonly privateKey: KeyObject;
  /** For AWS_ENDPOINT_URL_KMS. */
  readonly url: string;
  /** Digests that it signed, in hex, in order; one whose answer was lost as well. */
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

const sha256DigestInfo = Buffer.from('3031300d060960864801650304020105000420', 'hex');

/**
 * AWS KMS as its documents describe four of its operations: Encrypt and Decrypt as `npm start` plays them, GetPublicKey and Sign of one RSA key, strict
 * about what it signs. Only signatures fail when it is told to.
 */
export async function startKeyService(behaviour: KeyServiceBehaviour = {}): Promise<KeyService> {
  const arn = `arn:aws:kms:us-east-1:000000000000:key/${randomUUID()}`;
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const folder = mkdtempSync(join(tmpdir(), 'key-service-'));
  const signed: string[] = [];

  // RSASSA-PKCS1-v1_5 of a digest that is there already (RFC 8017 §9.2): node:crypto would make one of it.
  const signDigest = (digest: Buffer): Buffer =>
    privateEncrypt({ key: privateKey, padding: constants.RSA_PKCS1_PADDING }, Buffer.concat([sha256DigestInfo, digest]));

  const answer = (operation: string, input: Record<string, unknown>): object => {
    if (operation === 'Encrypt' || operation === 'Decrypt') return kms(folder, [String(input['KeyId'])])(operation, input);
    if (input['KeyId'] !== arn) throw refusal('NotFoundException', 400);
    if (operation === 'GetPublicKey')
      return {
        KeyId: arn,
        KeySpec: 'RSA_2048',
        KeyUsage: 'SIGN_VERIFY',
        PublicKey: publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
      };
    if (operation !== 'Sign') throw refusal('UnsupportedOperationException', 400);
    if (behaviour.refuses !== undefined) throw refusal(...behaviour.refuses);
    const digest = Buffer.from(String(input['Message']), 'base64');
    if (input['MessageType'] !== 'DIGEST' || input['SigningAlgorithm'] !== 'RSASSA_PKCS1_V1_5_SHA_256' || digest.length !== 32)
      throw refusal('ValidationException', 400);
    signed.push(digest.toString('hex'));
    return { KeyId: arn, SigningAlgorithm: 'RSASSA_PKCS1_V1_5_SHA_256', Signature: signDigest(digest).toString('base64') };
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
