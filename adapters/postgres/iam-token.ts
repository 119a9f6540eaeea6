import { Signer, type SignerConfig } from '@aws-sdk/rds-signer';

/** Passwords that RDS takes for fifteen minutes, signed here without a call. */
export function iamTokens(who: SignerConfig): () => Promise<string> {
  const signer = new Signer(who);
  return () => signer.getAuthToken();
}
