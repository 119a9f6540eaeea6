import type pg from 'pg';

/** How much there shall be. */
export interface Amount {
  readonly certificates: number;
  readonly auditEvents: number;
  /** Every event has a seal, which holds nothing together. */
  readonly sealed?: boolean;
}

/**
 * Fills a platform's database with certificates that are distributed as a fleet's are, their jobs, notifications and versions, and with audit events.
 *
 * @param database as the owner of the schema
 */
export async function fillControlPlane(database: pg.Client, { certificates, auditEvents, sealed }: Amount): Promise<void> {
  const statements: readonly (readonly [string, unknown[]])[] = [
    [`INSERT INTO teams (id, name) SELECT 't-' || g, 'Team ' || g FROM generate_series(1, 50) g ON CONFLICT DO NOTHING`, []],
    [
      `INSERT INTO owners (id, name, email, team_id) SELECT 'o-' || g, 'Owner ' || g, g || '@example.com', 't-' || (1 + g % 50) FROM generate_series(1, 500) g ON CONFLICT DO NOTHING`,
      [],
    ],
    [
      `INSERT INTO managed_certificates (id, name, state, profile_id, issuer_id, policy_id, common_name, sans, not_before, not_after, created_by, created_at, owner_id, team_id, environment, tags)
       SELECT 'mc-' || lpad(to_hex(g), 28, '0'), 'host-' || g, CASE WHEN g % 100 = 0 THEN 'revoked' WHEN g % 50 = 0 THEN 'pending' ELSE 'active' END,
              CASE WHEN g % 10 = 0 THEN 'internal' ELSE 'default' END, 'iss-local', 'rp-default', 'host-' || g || '.example.com',
              jsonb_build_array(jsonb_build_object('type', 'dns', 'value', 'host-' || g || '.example.com')), now() - interval '30 days',
              now() + make_interval(hours => 24 + g % 2000), 'ak-bootstrap', now() - make_interval(secs => $1 - g), 'o-' || (1 + g % 500), 't-' || (1 + g % 50),
              (ARRAY['production', 'staging', 'test'])[1 + g % 3], jsonb_build_object('cost', (g % 100)::text)
       FROM generate_series(1, $1::int) g`,
      [certificates],
    ],
    [
      `INSERT INTO certificates (id, ca_id, serial, fingerprint, spki_sha256, certificate, common_name, sans, profile_id, source, not_before, not_after, managed_id, issuer_id)
       SELECT 'cert-' || substr(id, 4), 'issuing-1', '1' || substr(id, 16), sha256(id::bytea), sha256(name::bytea), '\\x3000', common_name, sans, profile_id, 'API', not_before, not_after, id, issuer_id
       FROM managed_certificates WHERE name LIKE 'host-%'`,
      [],
    ],
    [`UPDATE managed_certificates SET current_id = 'cert-' || substr(id, 4) WHERE name LIKE 'host-%'`, []],
    [
      `INSERT INTO revocations (ca_id, serial, reason, certificate_id, revoked_by, revoked_at, not_after)
       SELECT c.ca_id, c.serial, 4, c.id, 'ak-bootstrap', m.created_at, c.not_after
       FROM managed_certificates m JOIN certificates c ON c.id = m.current_id WHERE m.name LIKE 'host-%' AND substr(m.name, 6)::int % 5 = 0`,
      [],
    ],
    [
      `INSERT INTO jobs (id, type, subject_id, status, created_at, completed_at)
       SELECT 'job-' || md5(id), 'renewal', id, CASE WHEN substr(md5(id), 1, 2) = '00' THEN 'failed' ELSE 'completed' END, created_at, created_at FROM managed_certificates WHERE name LIKE 'host-%'`,
      [],
    ],
    [
      `INSERT INTO notification_channels (id, name, type, url, sealed_secret, events, delivery, created_by)
       VALUES ('ch-load', 'load', 'webhook', 'https://example.com', '\\x00', '{}', 'at_least_once', 'ak-bootstrap') ON CONFLICT DO NOTHING`,
      [],
    ],
    [
      `INSERT INTO notifications (id, channel_id, event, subject_id, data, dedupe_key, status, created_at)
       SELECT 'ntf-' || md5(id), 'ch-load', 'certificate.renewed', id, '{}', id, 'sent', created_at FROM managed_certificates WHERE name LIKE 'host-%'`,
      [],
    ],
    [
      `INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category, at)
       SELECT 'ak-' || g % 40, 'APIKey', (ARRAY['createCertificate', 'renewCertificate', 'replaceProfile', 'createApiKey'])[1 + g % 4],
              'managed_certificate', 'mc-' || g % 20000, jsonb_build_object('n', g), (ARRAY['cert_lifecycle', 'cert_lifecycle', 'config', 'auth'])[1 + g % 4], now() - make_interval(secs => ($1 - g) / 10.0)
       FROM generate_series(1, $1::int) g`,
      [auditEvents],
    ],
    [
      `INSERT INTO agents (id, name, hostname, public_key, spki_sha256, os, architecture, version, ip_address, status, enrolled_by, registered_at)
       SELECT 'agent-' || lpad(to_hex(g), 28, '0'), 'host-' || g, 'host-' || g || '.example.com', '\\x3000', sha256(g::text::bytea), (ARRAY['linux', 'windows'])[1 + g % 2],
              (ARRAY['x64', 'arm64'])[1 + g % 2], '1.' || g % 7 || '.0', ('10.' || g / 65536 || '.' || g / 256 % 256 || '.' || g % 256)::inet,
              (ARRAY['online', 'online', 'offline'])[1 + g % 3], 'et-load', now() - make_interval(secs => g)
       FROM generate_series(1, $1::int / 4) g`,
      [certificates],
    ],
    [
      `INSERT INTO targets (id, name, type, agent_id, config, created_by, created_at)
       SELECT 'tgt-' || substr(id, 7), name, (ARRAY['nginx', 'apache', 'haproxy'])[1 + length(name) % 3], id, '{}', 'ak-bootstrap', registered_at FROM agents WHERE enrolled_by = 'et-load'`,
      [],
    ],
    [
      `INSERT INTO deployments (id, certificate_id, version_id, target_id, agent_id, reason, created_by, created_at)
       SELECT 'dep-' || substr(m.id, 4), m.id, m.current_id, 'tgt-' || a.suffix, 'agent-' || a.suffix, 'issued', 'system:worker', m.created_at
       FROM managed_certificates m, lpad(to_hex(1 + substr(m.name, 6)::int % ($1::int / 4)), 28, '0') a (suffix) WHERE m.name LIKE 'host-%'`,
      [certificates],
    ],
    [
      `INSERT INTO jobs (id, type, subject_id, agent_id, status, created_at, completed_at)
       SELECT 'job-' || md5(id), 'deployment', id, agent_id, 'completed', created_at, created_at FROM deployments WHERE created_by = 'system:worker'`,
      [],
    ],
    [
      `INSERT INTO agent_enrolment_tokens (id, token_sha256, token_prefix, agent_id, max_uses, expires_at, created_by, created_at)
       SELECT 'et-' || substr(id, 7), sha256(id::bytea), 'et_', id, 1, registered_at + interval '1 hour', 'ak-bootstrap', registered_at FROM agents WHERE enrolled_by = 'et-load'`,
      [],
    ],
    [
      `INSERT INTO discovered_certificates (id, fingerprint, certificate, subject, issuer, sans, serial, not_before, not_after, key_algorithm, is_ca, self_issued, status, managed_certificate_id, first_seen_at)
       SELECT 'dc-' || substr(id, 4), sha256(id::bytea), '\\x3000', 'CN=' || name, 'CN=' || name, '[]', '1', not_before, not_after, 'ECDSA', false, true,
              CASE WHEN name LIKE '%7' THEN 'managed' ELSE 'unmanaged' END, CASE WHEN name LIKE '%7' THEN id END, created_at FROM managed_certificates WHERE name LIKE 'host-%'`,
      [],
    ],
    [
      `INSERT INTO discovery_scans (id, agent_id, directories, started_at, completed_at)
       SELECT 'scan-' || substr(id, 7) || n, id, '{/etc/ssl}', registered_at - make_interval(hours => 6 * n), registered_at FROM agents, generate_series(1, 4) n WHERE enrolled_by = 'et-load'`,
      [],
    ],
    [
      `INSERT INTO discovered_sightings (discovered_id, agent_id, path, format, key_present)
       SELECT 'dc-' || substr(certificate_id, 4), agent_id, '/etc/ssl/site.pem', 'pem', false FROM deployments WHERE created_by = 'system:worker'`,
      [],
    ],
  ];
  for (const [text, values] of statements) await database.query(text, values);
  // What they are sealed with is no chain: the table shall be as large as its sister.
  if (sealed === true)
    await database.query(
      `INSERT INTO audit_seals (seq, event_id, row_hash) SELECT 1000000000 + id, id, sha256(id::text::bytea) FROM audit_events ON CONFLICT DO NOTHING`,
    );
  await database.query('ANALYZE');
}
