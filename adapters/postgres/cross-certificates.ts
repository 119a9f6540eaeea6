import { CaError } from '#domain/error.ts';
import { isDuplicate, type Database } from './database.ts';

export interface CrossCertificateRecord {
  readonly id: string;
  readonly caId: string;
  /** DER, the cross-certificate first. */
  readonly certificates: readonly Uint8Array[];
  readonly notAfter: Date;
  readonly createdBy: string;
  readonly createdAt: Date;
}

export interface CrossCertificateStore {
  list(caId: string): Promise<readonly CrossCertificateRecord[]>;
  /** @throws {CaError} `conflict` when it is there already */
  create(record: Omit<CrossCertificateRecord, 'createdAt'> & { readonly fingerprint: Uint8Array }): Promise<CrossCertificateRecord>;
  /** Certificate of a CA, DER; undefined when there is none. */
  authority(caId: string): Promise<Uint8Array | undefined>;
  /** Ways from what a CA signs to other trust anchors, each without the leaf; in the order in which they were added. */
  chains(caId: string): Promise<readonly (readonly Uint8Array[])[]>;
}

interface Row {
  id: string;
  ca_id: string;
  certificates: Buffer[];
  not_after: Date;
  created_by: string;
  created_at: Date;
}

const columns = 'id, ca_id, certificates, not_after, created_by, created_at';
export const crossCertificateList = {
  name: 'cross-certificates',
  text: `SELECT ${columns} FROM cross_certificates WHERE ca_id = $1 ORDER BY created_at, id`,
};
const insert = {
  name: 'cross-certificate-create',
  text: `WITH x AS (
      INSERT INTO cross_certificates (id, ca_id, certificates, fingerprint, not_after, created_by)
      VALUES ($1, $2, $3::bytea[], $4, $5, $6) RETURNING ${columns}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $6, 'APIKey', 'createCrossCertificate', 'certificate_authority', ca_id, jsonb_build_object('cross_certificate', id), 'config' FROM x)
    SELECT ${columns} FROM x`,
};
const authority = { name: 'cross-authority', text: `SELECT certificate FROM certificate_authorities WHERE id = $1` };
// Whichever CA on the way up is crossed, what lies below it stays.
const chains = {
  name: 'cross-chains',
  text: `WITH RECURSIVE path AS (
      SELECT id, parent_id, certificate, 0 AS depth FROM certificate_authorities WHERE id = $1
      UNION ALL
      SELECT c.id, c.parent_id, c.certificate, p.depth + 1 FROM certificate_authorities c JOIN path p ON c.id = p.parent_id WHERE p.depth < 8)
    SELECT ARRAY(SELECT q.certificate FROM path q WHERE q.depth < p.depth ORDER BY q.depth) || x.certificates AS chain
    FROM path p JOIN cross_certificates x ON x.ca_id = p.id WHERE x.not_after > now() ORDER BY x.created_at, x.id`,
};

/** Cross-certificates of the CAs, and the chains that they make. */
export function crossCertificateStore(database: Database): CrossCertificateStore {
  return {
    async list(caId) {
      return (await database.query<Row>(crossCertificateList, [caId])).map(record);
    },
    async create(draft) {
      try {
        const values = [draft.id, draft.caId, draft.certificates, draft.fingerprint, draft.notAfter, draft.createdBy];
        const [row] = await database.query<Row>(insert, values);
        if (row === undefined) throw new Error('no row');
        return record(row);
      } catch (error) {
        if (isDuplicate(error)) throw new CaError('conflict', 'this cross-certificate is there already', { cause: error });
        throw error;
      }
    },
    async authority(caId) {
      return (await database.query<{ certificate: Buffer }>(authority, [caId]))[0]?.certificate;
    },
    async chains(caId) {
      return (await database.query<{ chain: Buffer[] }>(chains, [caId])).map((row) => row.chain);
    },
  };
}

function record(row: Row): CrossCertificateRecord {
  return {
    id: row.id,
    caId: row.ca_id,
    certificates: row.certificates,
    notAfter: row.not_after,
    createdBy: row.created_by,
    createdAt: row.created_at,
  };
}
