-- What certificates must be like beyond their profile. A rule that blocks refuses; every rule tells of what breaks it.
CREATE TABLE policy_rules (
  id          text PRIMARY KEY,
  name        text NOT NULL,
  type        text NOT NULL CHECK (type IN
                ('allowed_issuers', 'allowed_domains', 'required_metadata', 'allowed_environments', 'renewal_lead_time', 'certificate_lifetime')),
  config      jsonb NOT NULL,
  severity    text NOT NULL CHECK (severity IN ('warning', 'error', 'critical')),
  enforcement text NOT NULL CHECK (enforcement IN ('audit', 'block')),
  enabled     boolean NOT NULL DEFAULT true,
  -- when it was last held against every certificate
  swept_at    timestamptz,
  version     integer NOT NULL DEFAULT 1,
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now(),
  -- to refuse a renewal because it comes late would let the certificate die
  CHECK (type <> 'renewal_lead_time' OR enforcement = 'audit')
);
CREATE UNIQUE INDEX policy_rules_name ON policy_rules (lower(name));
CREATE INDEX policy_rules_order ON policy_rules (name, id);
CREATE INDEX policy_rules_created ON policy_rules (created_at, id);
CREATE TABLE policy_violations (
  id             text PRIMARY KEY,
  rule_id        text NOT NULL REFERENCES policy_rules ON DELETE CASCADE,
  certificate_id text NOT NULL REFERENCES managed_certificates ON DELETE RESTRICT,
  severity       text NOT NULL,
  opened_at      timestamptz NOT NULL DEFAULT now(),
  resolved_at    timestamptz
);
-- one open violation for a rule and a certificate, however often it is found
CREATE UNIQUE INDEX policy_violations_open ON policy_violations (rule_id, certificate_id) WHERE resolved_at IS NULL;
CREATE INDEX policy_violations_order ON policy_violations (opened_at, id);
CREATE INDEX policy_violations_rule ON policy_violations (rule_id, opened_at, id);
CREATE INDEX policy_violations_certificate ON policy_violations (certificate_id, opened_at, id);
-- Which enabled rule which living certificate breaks now: the one place that knows what the types mean.
CREATE VIEW policy_findings AS
SELECT r.id AS rule_id, r.name AS rule_name, r.severity, r.enforcement, m.id AS certificate_id
FROM policy_rules r CROSS JOIN managed_certificates m
WHERE r.enabled AND m.state IN ('pending', 'active') AND CASE r.type
  WHEN 'allowed_issuers' THEN NOT coalesce(r.config -> 'allowed_issuer_ids' ? m.issuer_id, false)
  WHEN 'allowed_domains' THEN jsonb_array_length(m.sans) = 0 OR EXISTS (
    SELECT FROM jsonb_array_elements(m.sans) AS s (name) WHERE NOT EXISTS (
      SELECT FROM jsonb_array_elements_text(r.config -> 'allowed_domains') AS d (domain)
      WHERE lower(s.name ->> 'value') = lower(d.domain) OR right(lower(s.name ->> 'value'), length(d.domain) + 1) = '.' || lower(d.domain)))
  WHEN 'required_metadata' THEN NOT m.tags ?& ARRAY(SELECT jsonb_array_elements_text(r.config -> 'required_keys'))
  WHEN 'allowed_environments' THEN NOT coalesce(r.config -> 'allowed' ? m.environment, false)
  WHEN 'renewal_lead_time' THEN m.not_after > now() AND m.not_after < now() + make_interval(days => (r.config ->> 'lead_time_days')::int)
  WHEN 'certificate_lifetime' THEN
    coalesce(m.not_after - m.not_before, (SELECT make_interval(secs => validity_seconds) FROM profiles p WHERE p.id = m.profile_id))
      > make_interval(days => (r.config ->> 'max_days')::int)
  END;
