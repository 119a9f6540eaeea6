import { nextState } from '#domain/issuance/authority-lifecycle.ts';
import type { AuthorityRecord, NewAuthority } from '#domain/issuance/authority-administration.ts';
import { added, changed, locked, lockedParent, unlessTaken } from './authority-administration.ts';
import type { Database } from './database.ts';

/** What a new key of a CA changed. */
export interface Succession {
  readonly successor: AuthorityRecord;
  readonly predecessor: AuthorityRecord;
  /** Ids of those whose certificates the successor signs from now on. */
  readonly profiles: readonly string[];
  readonly issuers: readonly string[];
}

/** Hands over from one generation of a CA to the next. */
export interface AuthoritySuccession {
  /**
   * The successor is kept, takes over whatever had chosen its predecessor, and that drains, all in one commit.
   *
   * @throws {CaError} `conflict` when the predecessor or the CA above is not active any more, or the name exists
   */
  succeed(successor: NewAuthority, predecessorId: string, actor: string): Promise<Succession>;
}

const moveIssuers = {
  name: 'authority-move-issuers',
  text: `WITH i AS (UPDATE issuers SET issuing_ca_id = $2, version = version + 1, updated_at = now() WHERE issuing_ca_id = $1 RETURNING id),
    a AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $3, 'APIKey', 'setIssuingCa', 'issuer', id, jsonb_build_object('issuing_ca_id', $2::text), 'config' FROM i)
    SELECT id FROM i ORDER BY id`,
};
const moveProfiles = {
  name: 'authority-move-profiles',
  text: `WITH p AS (UPDATE profiles SET ca_id = $2, version = version + 1, updated_at = now() WHERE ca_id = $1 RETURNING id, version),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'profile', id FROM p),
    a AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $3, 'APIKey', 'replaceProfile', 'profile', id, jsonb_build_object('version', version, 'ca_id', $2::text), 'config' FROM p)
    SELECT id FROM p ORDER BY id`,
};

export function authoritySuccession(database: Database, pkiBaseUrl: string): AuthoritySuccession {
  return {
    succeed: (successor, predecessorId, actor) =>
      unlessTaken(() =>
        database.transaction(async (session) => {
          if (successor.parentId !== undefined) await lockedParent(session, successor.parentId);
          const before = await locked(session, predecessorId);
          const state = nextState(before.state, 'retire');
          const made = await added(session, successor, 'intermediate_ca_rekeyed', actor, pkiBaseUrl);
          const moved = async (statement: { name: string; text: string }): Promise<string[]> =>
            (await session.query<{ id: string }>(statement, [predecessorId, made.id, actor])).map(({ id }) => id);
          const [issuers, profiles] = [await moved(moveIssuers), await moved(moveProfiles)];
          const note = `its successor is ${made.id}`;
          const predecessor = await changed(session, before, [state, false, note, null], 'intermediate_ca_retiring', actor);
          return { successor: made, predecessor, profiles, issuers };
        }),
      ),
  };
}
