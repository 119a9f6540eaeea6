import type { CrlShard } from '#domain/revocation/crl-scope.ts';
import type { Database } from './database.ts';

const list = { name: 'crl-shards', text: `SELECT shard, url FROM crl_shards WHERE ca_id = $1 ORDER BY shard` };

/**
 * Makes the shards that CAs lack: as many as they shall have under the URLs that their CRLs have now. What is there stays, under whatever URL.
 * $1 what those URLs begin with, $2 the CA, or NULL: all
 */
export const makeShards = {
  name: 'crl-shards-make',
  text: `INSERT INTO crl_shards (ca_id, shard, url)
         SELECT ca.id, have.last + i, $1::text || ca.id || '/' || (have.last + i) || '.crl'
         FROM certificate_authorities ca,
           LATERAL (SELECT count(*) FILTER (WHERE starts_with(s.url, $1))::int AS here, coalesce(max(s.shard), 0) AS last FROM crl_shards s WHERE s.ca_id = ca.id) have,
           LATERAL generate_series(1, ca.crl_shards - have.here) AS i
         WHERE ca.crl_shards > 1 AND ($2::text IS NULL OR ca.id = $2)
         ON CONFLICT DO NOTHING`,
};

/** A CA's shards, by their numbers. */
export function crlShards(database: Pick<Database, 'query'>): (caId: string) => Promise<readonly CrlShard[]> {
  return (caId) => database.query<CrlShard & object>(list, [caId]);
}
