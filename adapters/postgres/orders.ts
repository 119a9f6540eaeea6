import type { ProblemDocument } from '#domain/acme/problem-document.ts';
import { autoRenewalObject, keptAutoRenewal, type AutoRenewalObject } from '#domain/acme/auto-renewal.ts';
import type { Identifier } from '#domain/acme/identifier.ts';
import type { Authorization, AuthorizationStatus, Challenge, Order, OrderStatus } from '#domain/acme/order.ts';
import { caaFreshSeconds } from '#domain/acme/caa-freshness.ts';
import { AccountChanged, type OrderStore, type Principal } from '#domain/acme/store.ts';
import type { AuthMode } from '#domain/issuance/profile.ts';
import { isDuplicate, type Database } from './database.ts';
import { cancelingFrom } from './order-cancellation.ts';

interface OrderRow {
  id: string;
  account_id: string;
  profile_id: string;
  auth_mode: AuthMode;
  status: OrderStatus;
  identifiers: Identifier[];
  not_before: Date | null;
  not_after: Date | null;
  expires_at: Date;
  error: ProblemDocument | null;
  certificate_id: string | null;
  attempts: number;
  replaces: string | null;
  replaces_certificate_id: string | null;
  auto_renewal: AutoRenewalObject | null;
  star_id: string | null;
}
interface ChallengeJson {
  id: string;
  type: Challenge['type'];
  token: string;
  status: Challenge['status'];
  validated_at: string | null;
  error: ProblemDocument | null;
}
interface AuthorizationRow {
  id: string;
  order_id: string;
  profile_id: string;
  identifier_type: 'dns' | 'ip';
  identifier_value: string;
  wildcard: boolean;
  subdomains: boolean;
  status: AuthorizationStatus;
  expires_at: Date;
  reused_from: string | null;
  challenges: ChallengeJson[];
}

// Every statement proves again whom the request speaks for; `principal` is empty when the account changed since.
const principal = `principal AS (
  SELECT id FROM acme_accounts WHERE id = $1 AND profile_id = $2 AND jwk_thumbprint = $3 AND status = 'valid' AND blocked_at IS NULL)`;
const orderColumns =
  'id, account_id, profile_id, auth_mode, status, identifiers, not_before, not_after, expires_at, error, certificate_id, attempts, replaces, replaces_certificate_id, auto_renewal, star_id';

const create = {
  name: 'acme-order-create',
  text: `WITH profile AS (SELECT id FROM profiles WHERE id = $15 AND version = $4 AND enabled),
    -- what is reused must still stand at the commit
    lost AS (
      SELECT x.reused FROM jsonb_to_recordset($13::jsonb) AS x(reused text)
      WHERE x.reused IS NOT NULL AND NOT EXISTS (
        SELECT FROM acme_authorizations h WHERE h.id = x.reused AND h.account_id = $1 AND h.status = 'valid' AND h.expires_at > now())),
    account AS (
      UPDATE acme_accounts SET open_orders = open_orders + 1
      WHERE id = $1 AND profile_id = $2 AND jwk_thumbprint = $3 AND status = 'valid' AND blocked_at IS NULL
        AND open_orders < $5 AND EXISTS (SELECT FROM profile) AND NOT EXISTS (SELECT FROM lost)
      RETURNING id),
    o AS (
      INSERT INTO acme_orders (id, account_id, profile_id, auth_mode, status, identifiers, not_before, not_after, expires_at, replaces, replaces_certificate_id, auto_renewal, star_id)
      SELECT $6, account.id, $15, $7, $8, $9, $10, $11, $12, $16, $17, $18, $19 FROM account),
    z AS (
      INSERT INTO acme_authorizations (id, order_id, account_id, position, identifier_type, identifier_value, wildcard, subdomains, status, expires_at, reused_from)
      SELECT x.id, $6, account.id, x.position, x.type, x.value, x.wildcard, x.subdomains, x.status, x.expires, x.reused
      FROM account, jsonb_to_recordset($13::jsonb)
        AS x(id text, position smallint, type text, value text, wildcard boolean, subdomains boolean, status text, expires timestamptz, reused text)),
    c AS (
      INSERT INTO acme_challenges (id, authorization_id, type, token, status, validated_at)
      SELECT x.id, x.authorization, x.type, x.token, x.status, x.validated
      FROM account, jsonb_to_recordset($14::jsonb) AS x(id text, "authorization" text, type text, token text, status text, validated timestamptz)),
    l AS (
      INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
      SELECT 'acme:' || account.id, 'ACME', 'acme_order_created', 'acme_order', $6, jsonb_build_object('identifiers', $9::jsonb, 'mode', $7::text), 'cert_lifecycle'
      FROM account)
  SELECT (SELECT count(*)::int FROM account) AS created, (SELECT count(*)::int FROM profile) AS profile, (SELECT count(*)::int FROM lost) AS lost,
    (SELECT open_orders FROM acme_accounts
     WHERE id = $1 AND profile_id = $2 AND jwk_thumbprint = $3 AND status = 'valid' AND blocked_at IS NULL) AS open_orders`,
};
const held = {
  name: 'acme-authorizations-held',
  text: `SELECT DISTINCT ON (z.identifier_type, z.identifier_value, z.wildcard, z.subdomains)
      z.id, z.identifier_type, z.identifier_value, z.wildcard, z.subdomains, z.expires_at, c.type, c.validated_at
    FROM jsonb_to_recordset($3::jsonb) AS w(type text, value text, wildcard boolean, subdomains boolean)
    JOIN acme_authorizations z ON z.account_id = $1 AND z.status = 'valid' AND z.expires_at > now() AND z.reused_from IS NULL
      AND z.identifier_type = w.type AND z.identifier_value = w.value AND z.wildcard = w.wildcard AND z.subdomains = w.subdomains
    JOIN acme_orders o ON o.id = z.order_id AND o.profile_id = $2 AND o.auth_mode = 'challenge'
    JOIN acme_challenges c ON c.authorization_id = z.id AND c.status = 'valid' AND c.validated_at > now() - make_interval(secs => $4)
    ORDER BY z.identifier_type, z.identifier_value, z.wildcard, z.subdomains, z.expires_at DESC`,
};
const read = {
  name: 'acme-order',
  text: `WITH ${principal}
    SELECT p.id AS principal, o.* FROM principal p
    LEFT JOIN (SELECT ${orderColumns} FROM acme_orders WHERE id = $4 AND account_id = $1) o ON true`,
};
const list = {
  name: 'acme-orders',
  text: `WITH ${principal}
    SELECT p.id AS principal, ARRAY(
      SELECT id FROM acme_orders WHERE account_id = p.id AND ($4::text IS NULL OR id < $4) ORDER BY id DESC LIMIT $5) AS ids
    FROM principal p`,
};
const authorizationFields = `z.id, z.order_id, z.identifier_type, z.identifier_value, z.wildcard, z.subdomains, z.status, z.expires_at, z.reused_from,
  (SELECT jsonb_agg(jsonb_build_object('id', c.id, 'type', c.type, 'token', c.token, 'status', c.status,
     'validated_at', c.validated_at, 'error', c.error) ORDER BY c.type LIKE 'dns-%', c.type) FROM acme_challenges c WHERE c.authorization_id = z.id) AS challenges`;
const readAuthorization = {
  name: 'acme-authorization',
  text: `WITH ${principal}
    SELECT p.id AS principal, z.* FROM principal p
    LEFT JOIN (SELECT ${authorizationFields}, o.profile_id FROM acme_authorizations z JOIN acme_orders o ON o.id = z.order_id
               WHERE z.id = $4 AND z.account_id = $1) z ON true`,
};
const deactivateAuthorization = {
  name: 'acme-authorization-deactivate',
  text: `WITH ${principal},
    -- the proof and everything that was built on it
    family AS (
      SELECT id, order_id FROM acme_authorizations
      WHERE account_id = (SELECT id FROM principal) AND coalesce(reused_from, id) =
        (SELECT coalesce(reused_from, id) FROM acme_authorizations WHERE id = $4 AND account_id = (SELECT id FROM principal))),
    -- orders before authorizations, as a validation locks them
    k AS (SELECT id FROM acme_orders WHERE id IN (SELECT order_id FROM family) ORDER BY id FOR UPDATE),
    z AS (UPDATE acme_authorizations SET status = 'deactivated'
          WHERE id IN (SELECT id FROM family) AND order_id IN (SELECT id FROM k) AND status IN ('pending', 'valid') RETURNING id, order_id),
    o AS (UPDATE acme_orders SET status = 'invalid', updated_at = now(),
            error = '{"type":"urn:ietf:params:acme:error:unauthorized","detail":"an authorization was deactivated","status":403}'
          WHERE id IN (SELECT order_id FROM z) AND status IN ('pending', 'ready') RETURNING id),
    -- who gives a name up gets no more certificates for it
    s AS (${cancelingFrom('id IN (SELECT order_id FROM z)')}),
    a AS (UPDATE acme_accounts SET open_orders = greatest(0, open_orders - (SELECT count(*)::int FROM o)) WHERE id = $1 AND EXISTS (SELECT FROM o)),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, category)
          SELECT 'acme:' || $1, 'ACME', 'acme_authorization_deactivated', 'acme_authorization', id, 'cert_lifecycle' FROM z)
  SELECT (SELECT count(*)::int FROM principal) AS principal`,
};
const beginValidation = {
  name: 'acme-challenge-begin',
  text: `WITH ${principal},
    c AS (
      UPDATE acme_challenges c SET status = 'processing'
      FROM acme_authorizations z JOIN acme_orders o ON o.id = z.order_id
      WHERE c.id = $4 AND c.status = 'pending' AND z.id = c.authorization_id AND z.status = 'pending' AND z.expires_at > now()
        AND z.account_id = (SELECT id FROM principal) AND o.status = 'pending'
      RETURNING c.id),
    j AS (INSERT INTO jobs (id, type, subject_id, payload) SELECT $5, 'validation', c.id, $6 FROM c),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'job', $5 FROM c),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, category)
          SELECT 'acme:' || $1, 'ACME', 'acme_challenge_processing', 'acme_challenge', id, 'cert_lifecycle' FROM c)
  SELECT (SELECT count(*)::int FROM principal) AS principal, (SELECT count(*)::int FROM c) AS begun`,
};
const toFinalize = {
  name: 'acme-order-to-finalize',
  text: `WITH ${principal}
    SELECT p.id AS principal, o.*,
      f.version AS profile_version,
      NOT EXISTS (
        SELECT FROM acme_authorizations z WHERE z.order_id = $4 AND (z.status <> 'valid' OR z.expires_at <= now()
          -- CAA records that were looked up longer ago say nothing any more (RFC 8659)
          OR (o.auth_mode = 'challenge' AND z.identifier_type = 'dns' AND cardinality(f.caa_identities) > 0 AND NOT EXISTS (
            SELECT FROM acme_challenges c
            WHERE c.authorization_id = z.id AND c.status = 'valid' AND c.validated_at > now() - make_interval(secs => $7))))) AS authorizations_valid,
      EXISTS (SELECT FROM blocked_keys WHERE spki_sha256 = $5) AS key_blocked,
      EXISTS (SELECT FROM acme_accounts WHERE jwk_thumbprint = $6) AS key_is_account_key
    FROM principal p
    LEFT JOIN (SELECT ${orderColumns} FROM acme_orders WHERE id = $4 AND account_id = $1) o ON true
    LEFT JOIN profiles f ON f.id = o.profile_id`,
};
const readCertificate = {
  name: 'acme-certificate',
  text: `WITH ${principal}
    SELECT p.id AS principal, c.certificate, c.ca_id FROM principal p
    LEFT JOIN (SELECT certificate, ca_id FROM certificates WHERE id = $4 AND account_id = $1) c ON true`,
};

/** RFC 8555 §7.4 orders and §7.5 authorizations in PostgreSQL. */
export function orderStore(database: Database): OrderStore {
  const guarded = async <Row extends object>(
    statement: { name: string; text: string },
    who: Principal,
    ...rest: unknown[]
  ): Promise<Row> => {
    const [row] = await database.query<Row & { principal: unknown }>(statement, [who.accountId, who.profileId, who.thumbprint, ...rest]);
    if (row === undefined || row.principal === 0) throw new AccountChanged();
    return row;
  };
  const authorizationById = async (who: Principal, id: string): Promise<Authorization | undefined> => {
    const row = await guarded<Partial<AuthorizationRow>>(readAuthorization, who, id);
    return row.id ? authorization(row as AuthorizationRow) : undefined;
  };
  return {
    async createOrder(who, order, authorizations, limits) {
      const values = [
        who.accountId,
        who.profileId,
        who.thumbprint,
        limits.profileVersion,
        limits.openOrders,
        order.id,
        order.authMode,
        order.status,
        JSON.stringify(order.identifiers),
        order.notBefore ?? null,
        order.notAfter ?? null,
        order.expires,
        JSON.stringify(
          authorizations.map((z, position) => ({
            id: z.id,
            position,
            ...z.identifier,
            wildcard: z.wildcard,
            subdomains: z.subdomains,
            status: z.status,
            expires: z.expires,
            reused: z.reusedFrom,
          })),
        ),
        JSON.stringify(
          authorizations.flatMap((z) =>
            z.challenges.map((c) => ({
              id: c.id,
              authorization: z.id,
              type: c.type,
              token: c.token,
              status: c.status,
              validated: c.validated,
            })),
          ),
        ),
        order.profileId,
        order.replaces?.certId ?? null,
        order.replaces?.certificateId ?? null,
        order.autoRenewal === undefined ? null : JSON.stringify(autoRenewalObject(order.autoRenewal)),
        order.starId ?? null,
      ];
      let row: { created: number; profile: number; lost: number; open_orders: number | null } | undefined;
      try {
        [row] = await database.query<NonNullable<typeof row>>(create, values);
      } catch (error) {
        if (order.replaces !== undefined && isDuplicate(error)) return 'alreadyReplaced';
        throw error;
      }
      if (row?.created === 1) return 'created';
      if (row?.open_orders === null || row === undefined) throw new AccountChanged();
      if (row.profile === 0) return 'profileChanged';
      return row.lost > 0 ? 'authorizationsChanged' : 'tooManyOpenOrders';
    },
    async heldAuthorizations(who, profileId, wanted, maxAgeSeconds) {
      const names = wanted.map(({ identifier, wildcard, subdomains }) => ({ ...identifier, wildcard, subdomains }));
      const rows = await database.query<AuthorizationRow & { type: Challenge['type']; validated_at: Date }>(held, [
        who.accountId,
        profileId,
        JSON.stringify(names),
        maxAgeSeconds,
      ]);
      return rows.map((row) => ({
        id: row.id,
        identifier: { type: row.identifier_type, value: row.identifier_value },
        wildcard: row.wildcard,
        subdomains: row.subdomains,
        type: row.type,
        validated: row.validated_at,
        expires: row.expires_at,
      }));
    },
    async order(who, id) {
      const row = await guarded<Partial<OrderRow>>(read, who, id);
      return row.id ? order(row as OrderRow) : undefined;
    },
    async orderIds(who, before, limit) {
      return (await guarded<{ ids: string[] }>(list, who, before ?? null, limit)).ids;
    },
    authorization: authorizationById,
    async deactivateAuthorization(who, id) {
      await guarded(deactivateAuthorization, who, id);
      return authorizationById(who, id);
    },
    authorizationOfChallenge: (who, challengeId) => authorizationById(who, challengeId.slice(0, challengeId.lastIndexOf('.'))),
    async beginValidation(who, challengeId, job) {
      return (await guarded<{ begun: number }>(beginValidation, who, challengeId, job.id, JSON.stringify(job.payload))).begun === 1;
    },
    async orderToFinalize(who, id, spkiSha256, spkiThumbprint) {
      const row = await guarded<
        Partial<OrderRow> & { profile_version: number; authorizations_valid: boolean; key_blocked: boolean; key_is_account_key: boolean }
      >(toFinalize, who, id, spkiSha256, spkiThumbprint, caaFreshSeconds);
      if (!row.id) return undefined;
      return {
        order: order(row as OrderRow),
        authorizationsValid: row.authorizations_valid,
        keyBlocked: row.key_blocked,
        keyIsAccountKey: row.key_is_account_key,
        profileVersion: row.profile_version,
      };
    },
    async certificate(who, id) {
      const row = await guarded<{ certificate: Buffer | null; ca_id: string }>(readCertificate, who, id);
      return row.certificate === null ? undefined : { certificate: row.certificate, caId: row.ca_id };
    },
  };
}

function order(row: OrderRow): Order {
  return {
    id: row.id,
    accountId: row.account_id,
    profileId: row.profile_id,
    authMode: row.auth_mode,
    status: row.status,
    identifiers: row.identifiers,
    notBefore: row.not_before ?? undefined,
    notAfter: row.not_after ?? undefined,
    expires: row.expires_at,
    error: row.error ?? undefined,
    certificateId: row.certificate_id ?? undefined,
    attempts: row.attempts,
    replaces:
      row.replaces === null || row.replaces_certificate_id === null
        ? undefined
        : { certId: row.replaces, certificateId: row.replaces_certificate_id },
    autoRenewal: row.auto_renewal === null ? undefined : keptAutoRenewal(row.auto_renewal),
    starId: row.star_id ?? undefined,
  };
}

function authorization(row: AuthorizationRow): Authorization {
  return {
    id: row.id,
    orderId: row.order_id,
    profileId: row.profile_id,
    identifier: { type: row.identifier_type, value: row.identifier_value },
    wildcard: row.wildcard,
    subdomains: row.subdomains,
    status: row.status,
    expires: row.expires_at,
    reusedFrom: row.reused_from ?? undefined,
    challenges: row.challenges.map((c) => ({
      id: c.id,
      type: c.type,
      token: c.token,
      status: c.status,
      validated: c.validated_at === null ? undefined : new Date(c.validated_at),
      error: c.error ?? undefined,
    })),
  };
}
