import type { CertId, RenewalInfoStore } from '#domain/acme/renewal-info.ts';
import type { Chance } from '#domain/clock.ts';
import { reasonCode } from '#domain/revocation/reason.ts';
import { issuerInfo } from '#domain/x509/leaf.ts';
import type { Database } from './database.ts';

interface Row {
  id: string;
  account_id: string | null;
  sans: { type: string; value: string }[];
  fingerprint: Buffer;
  not_before: Date;
  not_after: Date;
  website: string | null;
  urgent: boolean;
  window_days: number | null;
}

const issuers = { name: 'ari-issuers', text: `SELECT id, certificate FROM certificate_authorities` };
const renewable = {
  name: 'ari-certificate',
  text: `SELECT c.id, c.account_id, c.sans, c.fingerprint, c.not_before, c.not_after, p.website,
           (SELECT r.renewal_window_days FROM managed_certificates m JOIN renewal_policies r ON r.id = m.policy_id WHERE m.id = c.managed_id) AS window_days,
           ca.state <> 'active' OR NOT ca.signs_leaves
           -- a new one would undo a hold
           OR EXISTS (SELECT FROM revocations r WHERE r.ca_id = c.ca_id AND r.serial = c.serial AND r.reason <> ${reasonCode.certificateHold})
           OR EXISTS (SELECT FROM blocked_keys b WHERE b.spki_sha256 = c.spki_sha256) AS urgent
         FROM certificates c JOIN certificate_authorities ca ON ca.id = c.ca_id JOIN profiles p ON p.id = c.profile_id
         WHERE c.ca_id = ANY($1) AND c.serial = $2 LIMIT 1`,
};
// A new CA is known within so long; a flood of unknown identifiers asks no more often.
const refreshMs = 10_000;

/** What ARI may be asked of (RFC 9773): every certificate of the inventory, found by its issuer's key identifier and its serial. */
export function renewalInfoStore(database: Database, chance: Chance): RenewalInfoStore {
  let known: Promise<ReadonlyMap<string, readonly string[]>> | undefined;
  let readAt = Number.NEGATIVE_INFINITY;
  const issuersOf = async ({ keyIdentifier }: CertId): Promise<readonly string[]> => {
    const key = keyIdentifier.toString('hex');
    const found = (await known)?.get(key);
    if (found !== undefined) return found;
    // Whoever asks while it is being read waits for the same answer.
    if (known === undefined || chance.now() - readAt > refreshMs) {
      readAt = chance.now();
      const reading = readIssuers(database);
      known = reading;
      reading.catch(() => {
        if (known === reading) known = undefined;
      });
    }
    return (await known).get(key) ?? [];
  };
  return {
    async renewable(id) {
      const cas = await issuersOf(id);
      if (cas.length === 0) return undefined;
      const [row] = await database.query<Row>(renewable, [cas, id.serial]);
      return (
        row && {
          id: row.id,
          accountId: row.account_id ?? undefined,
          names: row.sans,
          fingerprint: row.fingerprint,
          notBefore: row.not_before,
          notAfter: row.not_after,
          urgent: row.urgent,
          windowDays: row.window_days ?? undefined,
          website: row.website ?? undefined,
        }
      );
    },
  };
}

/** The CAs by their key identifiers, hex; generations of one key share theirs. */
async function readIssuers(database: Database): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  for (const row of await database.query<{ id: string; certificate: Buffer }>(issuers, [])) {
    const key = Buffer.from(issuerInfo(row.certificate).keyIdentifier).toString('hex');
    found.set(key, [...(found.get(key) ?? []), row.id]);
  }
  return found;
}
