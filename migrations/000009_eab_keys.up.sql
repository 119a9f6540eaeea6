-- External account binding keys (RFC 8555 §7.3.4). The HMAC key is sealed by the envelope key and shown once.
CREATE TABLE eab_keys (
  id            text PRIMARY KEY,
  profile_id    text NOT NULL REFERENCES profiles ON DELETE RESTRICT,
  description   text NOT NULL DEFAULT '',
  sealed_hmac   bytea NOT NULL,
  allowed_names text[],
  max_uses      integer NOT NULL DEFAULT 1 CHECK (max_uses BETWEEN 1 AND 1000000),
  uses          integer NOT NULL DEFAULT 0 CHECK (uses <= max_uses),
  expires_at    timestamptz,
  disabled_at   timestamptz,
  created_by    text NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX eab_keys_profile ON eab_keys (profile_id);
