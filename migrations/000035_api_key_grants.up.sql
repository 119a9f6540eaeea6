-- What a key may do comes from its grants; the column of former releases stays, and holds nothing for new keys.
ALTER TABLE api_keys DROP CONSTRAINT api_keys_role_check;
ALTER TABLE api_keys ADD CONSTRAINT api_keys_role_check CHECK (role IN ('admin', 'granted'));
ALTER TABLE api_keys ADD COLUMN description text NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN created_by text NOT NULL DEFAULT 'system:migrate';
ALTER TABLE api_keys ADD COLUMN last_used_at timestamptz;
ALTER TABLE api_keys ADD COLUMN ended_at timestamptz;
-- What of a secret may be shown: it tells people which one it is.
ALTER TABLE api_keys ADD COLUMN token_prefix text;
-- After a rotation the secret before it lives on for a while.
ALTER TABLE api_keys ADD COLUMN previous_token_sha256 bytea UNIQUE;
ALTER TABLE api_keys ADD COLUMN previous_expires_at timestamptz;

CREATE TABLE api_key_grants (
  id         text PRIMARY KEY,
  key_id     text NOT NULL REFERENCES api_keys,
  role       text NOT NULL,
  scope_type text NOT NULL CHECK (scope_type IN ('global', 'profile', 'issuer')),
  scope_id   text,
  expires_at timestamptz,
  granted_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((scope_type = 'global') = (scope_id IS NULL)),
  UNIQUE NULLS NOT DISTINCT (key_id, role, scope_type, scope_id)
);
INSERT INTO api_key_grants (id, key_id, role, scope_type, granted_by)
SELECT 'gr-' || id, id, 'r-admin', 'global', 'system:migrate' FROM api_keys;
