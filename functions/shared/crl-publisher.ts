import type { Artifacts } from '#adapters/s3/artifacts.ts';
import type { SigningAuthority } from '#domain/issuance/issue.ts';
import { publishCrl } from '#domain/revocation/publish.ts';
import type { CrlStore } from '#domain/revocation/store.ts';

/** Publishes a CA's CRL into the artifact bucket. */
export function crlPublisher(
  store: CrlStore,
  artifacts: Artifacts,
  now: () => number,
): (authority: SigningAuthority) => Promise<Uint8Array> {
  const shelf = {
    get: (key: string) => artifacts.get(key),
    replace: (key: string, body: Uint8Array, expected: string | undefined, immutable: boolean) =>
      artifacts.replace(key, body, expected, {
        contentType: 'application/pkix-crl',
        cacheControl: immutable ? 'public, max-age=31536000, immutable' : 'public, max-age=60, s-maxage=60',
      }),
  };
  return (authority) => publishCrl({ store, shelf }, authority, new Date(now()));
}
