import type { ResponderStore, StoredResponder } from '#domain/revocation/responder-store.ts';
import type { Database, Session } from './database.ts';

interface Row {
  id: string;
  ca_id: string;
  serial: string;
  certificate: Buffer;
  sealed_key: Buffer;
  not_before: Date;
  not_after: Date;
  rotated_from: string | null;
}

const exists = { name: 'ca-exists', text: 'SELECT id FROM certificate_authorities WHERE id = $1' };
const newest = {
  name: 'ocsp-responder-newest',
  text: `SELECT id, ca_id, serial, certificate, sealed_key, not_before, not_after, rotated_from FROM ocsp_responders
         WHERE ca_id = $1 ORDER BY not_after DESC, id DESC LIMIT 1`,
};
const insert = {
  name: 'ocsp-responder-insert',
  text: `WITH r AS (
      INSERT INTO ocsp_responders (id, ca_id, serial, certificate, sealed_key, not_before, not_after, rotated_from)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id)
    INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
    SELECT 'system:revocation', 'System', 'ocsp_responder_created', 'ocsp_responder', id, jsonb_build_object('ca', $2::text, 'serial', $3::text, 'rotated_from', $8::text), 'cert_lifecycle' FROM r`,
};
const unchanged = {
  name: 'ocsp-responder-lock',
  text: `SELECT pg_advisory_xact_lock(hashtextextended('ocsp-responder:' || $1, 0))`,
};

export function responderStore(database: Database): ResponderStore {
  const read = async (session: Session, caId: string): Promise<StoredResponder | undefined> => {
    const [row] = await session.query<Row>(newest, [caId]);
    return row && responder(row);
  };
  return {
    async authorityExists(caId) {
      return (await database.query(exists, [caId])).length === 1;
    },
    async ensure(caId, usableUntil, make) {
      const known = await read(database, caId);
      if (known !== undefined && known.notAfter > usableUntil) return known;
      // The key is made and sealed before the transaction: nothing leaves the system inside it. A loser's key is forgotten.
      const candidate = await make(known?.id);
      return database.transaction(async (session) => {
        await session.query(unchanged, [caId]);
        const winner = await read(session, caId);
        if (winner !== undefined && winner.id !== known?.id) return winner;
        await session.query(insert, [
          candidate.id,
          caId,
          candidate.serial,
          candidate.certificate,
          candidate.sealedKey,
          candidate.notBefore,
          candidate.notAfter,
          candidate.rotatedFrom ?? null,
        ]);
        return candidate;
      });
    },
  };
}

function responder(row: Row): StoredResponder {
  return {
    id: row.id,
    caId: row.ca_id,
    serial: row.serial,
    certificate: row.certificate,
    sealedKey: row.sealed_key,
    notBefore: row.not_before,
    notAfter: row.not_after,
    rotatedFrom: row.rotated_from ?? undefined,
  };
}
