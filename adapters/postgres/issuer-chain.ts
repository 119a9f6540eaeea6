/**
 * An SQL expression: the certificates above one of ours, from its issuer up, without the root (bytea[], DER). Our issuers come from their
 * table; those of others came with the certificate.
 *
 * @param certificate alias of a row of `certificates`
 */
export function issuersOf(certificate: string): string {
  return `ARRAY(WITH RECURSIVE up AS (
              SELECT a.id, a.parent_id, a.certificate, a.chain_above, 0 AS depth FROM certificate_authorities a WHERE a.id = ${certificate}.ca_id
              UNION ALL SELECT p.id, p.parent_id, p.certificate, p.chain_above, up.depth + 1 FROM certificate_authorities p JOIN up ON p.id = up.parent_id WHERE up.depth < 8)
            SELECT x.der FROM up, unnest(ARRAY[certificate] || chain_above[1:cardinality(chain_above) - 1]) WITH ORDINALITY AS x (der, place)
            WHERE parent_id IS NOT NULL OR cardinality(chain_above) > 0 ORDER BY depth, place)`;
}
