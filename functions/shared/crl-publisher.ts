import type { Artifacts } from '#adapters/s3/artifacts.ts';
import type { SigningAuthority } from '#domain/issuance/issue.ts';
import type { CrlScope } from '#domain/revocation/crl-scope.ts';
import type { CrlShelf } from '#domain/revocation/crl-shelf.ts';
import { crlHeader } from '#domain/revocation/crl.ts';
import { publishCrl } from '#domain/revocation/publish.ts';
import type { CrlStore } from '#domain/revocation/store.ts';

const numberNote = 'crl-number';

/** CRLs in the artifact bucket, each with its number beside it. */
export function crlShelf(artifacts: Artifacts): CrlShelf {
  return {
    get: (key) => artifacts.get(key),
    async number(key) {
      const notes = await artifacts.notes(key);
      if (notes === undefined) return undefined;
      const number = notes[numberNote];
      if (number !== undefined) return BigInt(number);
      // Of a release that noted none.
      const found = await artifacts.get(key);
      return found && crlHeader(found.body).number;
    },
    replace: (key, { body, number }, expected, immutable) =>
      artifacts.replace(key, body, expected, {
        contentType: 'application/pkix-crl',
        cacheControl: immutable ? 'public, max-age=31536000, immutable' : 'public, max-age=60, s-maxage=60',
        notes: { [numberNote]: number.toString() },
      }),
  };
}

/** Publishes CRLs into the artifact bucket. */
export function crlPublisher(ports: {
  readonly store: CrlStore;
  readonly shelf: CrlShelf;
  readonly authority: (caId: string) => Promise<SigningAuthority>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}): (scope: CrlScope) => Promise<Uint8Array> {
  return async (scope) => publishCrl(ports, await ports.authority(scope.caId), scope, new Date(ports.now()));
}
