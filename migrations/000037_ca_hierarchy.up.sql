-- The hierarchy becomes a resource: who owns a CA, what its certificate says, whether it may sign leaves, how it ended.
ALTER TABLE certificate_authorities DROP CONSTRAINT certificate_authorities_state_check;
ALTER TABLE certificate_authorities ADD CONSTRAINT certificate_authorities_state_check CHECK (state IN ('active', 'retiring', 'retired', 'revoked'));
ALTER TABLE certificate_authorities
  ADD COLUMN issuer_id         text REFERENCES issuers ON DELETE RESTRICT,
  ADD COLUMN serial            text CHECK (serial ~ '^(0|[1-9a-f][0-9a-f]*)$'),
  ADD COLUMN subject           jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN path_length       integer CHECK (path_length >= 0),
  ADD COLUMN name_constraints  jsonb NOT NULL DEFAULT '{"permitted": [], "excluded": []}',
  -- certificates of CAs elsewhere, from the one above up to their root
  ADD COLUMN chain_above       bytea[] NOT NULL DEFAULT '{}',
  ADD COLUMN key_id            text,
  ADD COLUMN metadata          jsonb NOT NULL DEFAULT '{}',
  -- false: leaves are refused, whatever the state; set for all CAs below a revoked one
  ADD COLUMN signs_leaves      boolean NOT NULL DEFAULT true,
  ADD COLUMN drain_until       timestamptz,
  ADD COLUMN retire_note       text,
  ADD COLUMN retired_at        timestamptz,
  ADD COLUMN revoked_at        timestamptz,
  ADD COLUMN revocation_reason smallint,
  ADD COLUMN created_by        text NOT NULL DEFAULT 'system:migrate',
  ADD COLUMN updated_at        timestamptz NOT NULL DEFAULT now();
CREATE UNIQUE INDEX certificate_authorities_serial ON certificate_authorities (parent_id, serial);
CREATE INDEX certificate_authorities_issuer ON certificate_authorities (issuer_id);
UPDATE certificate_authorities SET issuer_id = 'iss-local', algorithm = CASE algorithm WHEN 'ecdsa-p256-sha256' THEN 'ECDSA-P256' ELSE algorithm END;

-- Keys that a CA may be given: nothing else is ever opened because a request names it. One key, one CA.
CREATE TABLE signer_keys (
  id          text PRIMARY KEY,
  driver      text NOT NULL CHECK (driver IN ('sealed', 'kms')),
  algorithm   text NOT NULL,
  spki        bytea NOT NULL,
  spki_sha256 bytea NOT NULL UNIQUE,
  -- the ARN of a key in KMS
  ref         text CHECK ((driver = 'kms') = (ref IS NOT NULL)),
  -- a software key under the envelope key; leaves with the CA that it is given to
  sealed_key  bytea,
  purpose     text NOT NULL DEFAULT 'ca' CHECK (purpose IN ('ca')),
  state       text NOT NULL DEFAULT 'free' CHECK (state IN ('free', 'used')),
  created_by  text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE certificate_authorities ADD CONSTRAINT certificate_authorities_key FOREIGN KEY (key_id) REFERENCES signer_keys ON DELETE RESTRICT;
CREATE UNIQUE INDEX certificate_authorities_key_id ON certificate_authorities (key_id);

-- CAs whose certificate somebody else will sign: state "created" until it is brought.
CREATE TABLE authority_requests (
  id          text PRIMARY KEY,
  issuer_id   text NOT NULL REFERENCES issuers ON DELETE RESTRICT,
  name        text NOT NULL UNIQUE,
  subject     jsonb NOT NULL,
  algorithm   text NOT NULL,
  csr         bytea NOT NULL,
  spki_sha256 bytea NOT NULL UNIQUE,
  sealed_key  bytea NOT NULL,
  metadata    jsonb NOT NULL DEFAULT '{}',
  created_by  text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX authority_requests_issuer ON authority_requests (issuer_id);

-- Which CA signs for an issuer of type local; NULL: the one that the profile names.
ALTER TABLE issuers ADD COLUMN issuing_ca_id text REFERENCES certificate_authorities ON DELETE RESTRICT;
CREATE INDEX issuers_issuing_ca ON issuers (issuing_ca_id);
