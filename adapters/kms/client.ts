import { KMSClient } from '@aws-sdk/client-kms';
import { SigningHash } from '../http/signing-hash.ts';

let client: KMSClient | undefined;

/** The client for signing: made when a CA's key is in KMS, and careful when that throttles (about 1,000 signatures a second per account and region). */
export function signingClient(): KMSClient {
  client ??= new KMSClient({ cacheMiddleware: true, sha256: SigningHash, maxAttempts: 4, retryMode: 'adaptive' });
  return client;
}
