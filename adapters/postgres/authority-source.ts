import { CaError } from '#domain/error.ts';
import type { CertificateAuthority, IssuanceStore } from '#domain/issuance/store.ts';
import type { Database } from './database.ts';

const authority = {
  name: 'ca',
  text: `SELECT c.id, c.name, c.parent_id, c.certificate, c.chain_above, c.sealed_key, k.ref, k.algorithm, k.spki
         FROM certificate_authorities c LEFT JOIN signer_keys k ON k.id = c.key_id AND k.driver = 'kms' WHERE c.id = $1`,
};
interface AuthorityRow {
  id: string;
  name: string;
  parent_id: string | null;
  certificate: Buffer;
  chain_above: Buffer[];
  sealed_key: Buffer;
  ref: string | null;
  algorithm: string | null;
  spki: Buffer | null;
}

/** CAs as they are read in order to sign, apart from what orders commit: most functions that sign have none. */
export function authoritySource(database: Database): Pick<IssuanceStore, 'authority'> {
  return {
    async authority(id) {
      const [row] = await database.query<AuthorityRow>(authority, [id]);
      return (
        row &&
        ({
          id: row.id,
          name: row.name,
          parentId: row.parent_id ?? undefined,
          certificate: row.certificate,
          chainAbove: row.chain_above,
          sealedKey: row.sealed_key,
          kmsKey:
            row.ref === null || row.algorithm === null || row.spki === null
              ? undefined
              : { arn: row.ref, algorithm: row.algorithm, spki: row.spki },
        } satisfies CertificateAuthority)
      );
    },
  };
}

/** A CA that drains, ended, or lies below a revoked one: the request may be tried again once another CA is chosen. */
export function noLeaves(): CaError {
  return new CaError('unavailable', 'the issuing CA signs no certificates any more', { retryAfter: 3600 });
}
