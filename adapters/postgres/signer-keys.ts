import { createHash } from 'node:crypto';
import { CaError } from '#domain/error.ts';
import { isDuplicate, type Database } from './database.ts';

export interface SignerKeyRecord {
  readonly id: string;
  readonly driver: 'sealed' | 'kms';
  readonly algorithm: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** The ARN of a key in KMS. */
  readonly ref: string | undefined;
  readonly state: 'free' | 'used';
  readonly createdBy: string;
  readonly createdAt: Date;
}

export interface SignerKeyStore {
  list(): Promise<readonly SignerKeyRecord[]>;
  /** A key that no CA has yet, with its seal. */
  free(id: string): Promise<{ readonly key: SignerKeyRecord; readonly sealed: Uint8Array | undefined } | undefined>;
  /** @throws {CaError} `conflict` when the key is known already */
  add(
    key: Pick<SignerKeyRecord, 'id' | 'driver' | 'algorithm' | 'spki' | 'ref'>,
    sealed: Uint8Array | undefined,
    actor: string,
  ): Promise<SignerKeyRecord>;
}

interface Row {
  id: string;
  driver: 'sealed' | 'kms';
  algorithm: string;
  spki: Buffer;
  ref: string | null;
  state: 'free' | 'used';
  created_by: string;
  created_at: Date;
  sealed_key: Buffer | null;
}

const columns = 'id, driver, algorithm, spki, ref, state, created_by, created_at';
const list = { name: 'signer-keys', text: `SELECT ${columns} FROM signer_keys ORDER BY created_at, id` };
const free = { name: 'signer-key-free', text: `SELECT ${columns}, sealed_key FROM signer_keys WHERE id = $1 AND state = 'free'` };
const add = {
  name: 'signer-key-add',
  text: `WITH k AS (INSERT INTO signer_keys (id, driver, algorithm, spki, spki_sha256, ref, sealed_key, created_by)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING ${columns}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $8, 'APIKey', 'addSignerKey', 'signer_key', id, jsonb_build_object('driver', driver, 'algorithm', algorithm, 'spki_sha256', encode($5::bytea, 'hex'),
                 'ref', ref), 'config' FROM k)
    SELECT ${columns} FROM k`,
};

/** The keys that a CA may be given (RFC 5280 leaves it to the CA where its key lives). */
export function signerKeyStore(database: Database): SignerKeyStore {
  return {
    list: async () => (await database.query<Row>(list, [])).map(keyOf),
    async free(id) {
      const [row] = await database.query<Row>(free, [id]);
      return row && { key: keyOf(row), sealed: row.sealed_key ?? undefined };
    },
    async add(key, sealed, actor) {
      const sha256 = createHash('sha256').update(key.spki).digest();
      const values = [key.id, key.driver, key.algorithm, key.spki, sha256, key.ref ?? null, sealed ?? null, actor];
      try {
        const [row] = await database.query<Row>(add, values);
        if (row === undefined) throw new Error('no row');
        return keyOf(row);
      } catch (error) {
        if (isDuplicate(error)) throw new CaError('conflict', 'this key is registered already', { cause: error });
        throw error;
      }
    },
  };
}

function keyOf(row: Row): SignerKeyRecord {
  return {
    id: row.id,
    driver: row.driver,
    algorithm: row.algorithm,
    spki: row.spki,
    ref: row.ref ?? undefined,
    state: row.state,
    createdBy: row.created_by,
    createdAt: row.created_at,
  };
}
