import { KMSClient } from '@aws-sdk/client-kms';

let client: KMSClient | undefined;

/** The client for signing: made when a CA's key is in KMS, and careful when that throttles (about 1,000 signatures a second per account and region). */
export function signingClient(): KMSClient {
  client ??= new KMSClient({ maxAttempts: 4, retryMode: 'adaptive' });
  return client;
}
