-- Certificates that agents found on their hosts, each once, however many places it lies in.
CREATE TABLE discovered_certificates (
  id                     text PRIMARY KEY,
  fingerprint            bytea NOT NULL UNIQUE,
  certificate            bytea NOT NULL,
  subject                text NOT NULL,
  issuer                 text NOT NULL,
  common_name            text,
  sans                   jsonb NOT NULL,
  serial                 text NOT NULL,
  not_before             timestamptz NOT NULL,
  not_after              timestamptz NOT NULL,
  key_algorithm          text NOT NULL,
  key_size               integer,
  is_ca                  boolean NOT NULL,
  self_issued            boolean NOT NULL,
  status                 text NOT NULL DEFAULT 'unmanaged' CHECK (status IN ('unmanaged', 'managed', 'dismissed')),
  managed_certificate_id text REFERENCES managed_certificates ON DELETE RESTRICT,
  reason                 text,
  -- NULL: nobody has; a managed one was known by its fingerprint
  decided_by             text,
  decided_at             timestamptz,
  first_seen_at          timestamptz NOT NULL DEFAULT now(),
  last_seen_at           timestamptz NOT NULL DEFAULT now(),
  CHECK ((status = 'managed') = (managed_certificate_id IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX discovered_certificates_order ON discovered_certificates (first_seen_at, id);
CREATE INDEX discovered_certificates_end ON discovered_certificates (not_after, id);
CREATE INDEX discovered_certificates_managed ON discovered_certificates (managed_certificate_id) WHERE managed_certificate_id IS NOT NULL;

-- One look of an agent at the folders that its host's settings name; it comes in parts, and what was not seen is missing when the last one is there.
CREATE TABLE discovery_scans (
  id                 text PRIMARY KEY,
  agent_id           text NOT NULL REFERENCES agents ON DELETE RESTRICT,
  directories        text[] NOT NULL,
  -- so many parts have come
  parts              integer NOT NULL DEFAULT 0,
  certificates_found integer NOT NULL DEFAULT 0,
  certificates_new   integer NOT NULL DEFAULT 0,
  errors             text[] NOT NULL DEFAULT '{}',
  duration_ms        integer NOT NULL DEFAULT 0,
  started_at         timestamptz NOT NULL DEFAULT now(),
  completed_at       timestamptz
);
CREATE INDEX discovery_scans_agent ON discovery_scans (agent_id, started_at, id);
CREATE INDEX discovery_scans_order ON discovery_scans (started_at, id);

CREATE TABLE discovered_sightings (
  discovered_id text NOT NULL REFERENCES discovered_certificates ON DELETE CASCADE,
  agent_id      text NOT NULL REFERENCES agents ON DELETE RESTRICT,
  path          text NOT NULL,
  format        text NOT NULL CHECK (format IN ('pem', 'der')),
  -- a private key lies in the same file; nothing of it was read further
  key_present   boolean NOT NULL,
  first_seen_at timestamptz NOT NULL DEFAULT now(),
  last_seen_at  timestamptz NOT NULL DEFAULT now(),
  missing_since timestamptz,
  PRIMARY KEY (discovered_id, agent_id, path)
) WITH (fillfactor = 80);
CREATE INDEX discovered_sightings_agent ON discovered_sightings (agent_id, last_seen_at);
