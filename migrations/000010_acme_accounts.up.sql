-- RFC 8555 §7.1.2. The id is random, so one key may register under several profiles and an old key again after roll-over.
CREATE TABLE acme_accounts (
  id             text PRIMARY KEY,
  profile_id     text NOT NULL REFERENCES profiles ON DELETE RESTRICT,
  jwk            jsonb NOT NULL,
  jwk_thumbprint text NOT NULL,
  contact        text[] NOT NULL DEFAULT '{}',
  status         text NOT NULL DEFAULT 'valid' CHECK (status IN ('valid', 'deactivated', 'revoked')),
  terms_agreed   boolean NOT NULL DEFAULT false,
  eab_key_id     text REFERENCES eab_keys ON DELETE RESTRICT,
  eab            jsonb,
  -- set while the EAB key is disabled
  blocked_at     timestamptz,
  allowed_names  text[],
  open_orders    integer NOT NULL DEFAULT 0 CHECK (open_orders >= 0),
  created_at     timestamptz NOT NULL DEFAULT now(),
  updated_at     timestamptz NOT NULL DEFAULT now(),
  UNIQUE (profile_id, jwk_thumbprint)
) WITH (fillfactor = 80);
CREATE INDEX acme_accounts_eab ON acme_accounts (eab_key_id);
CREATE INDEX acme_accounts_thumbprint ON acme_accounts (jwk_thumbprint);
