-- RFC 8555 §7.1.3. open_orders of the account counts the rows that are pending, ready or processing.
CREATE TABLE acme_orders (
  id                  text PRIMARY KEY,
  account_id          text NOT NULL REFERENCES acme_accounts ON DELETE RESTRICT,
  profile_id          text NOT NULL REFERENCES profiles ON DELETE RESTRICT,
  auth_mode           text NOT NULL CHECK (auth_mode IN ('challenge', 'trust_authenticated')),
  status              text NOT NULL CHECK (status IN ('pending', 'ready', 'processing', 'valid', 'invalid')),
  identifiers         jsonb NOT NULL,
  not_before          timestamptz,
  not_after           timestamptz,
  error               jsonb,
  certificate_id      text REFERENCES certificates ON DELETE RESTRICT,
  csr                 bytea,
  finalize_started_at timestamptz,
  lease_until         timestamptz,
  attempts            integer NOT NULL DEFAULT 0,
  expires_at          timestamptz NOT NULL,
  created_at          timestamptz NOT NULL DEFAULT now(),
  updated_at          timestamptz NOT NULL DEFAULT now(),
  CHECK (status <> 'valid' OR certificate_id IS NOT NULL)
) WITH (fillfactor = 80);
CREATE INDEX acme_orders_account ON acme_orders (account_id, id DESC);
CREATE INDEX acme_orders_certificate ON acme_orders (certificate_id) WHERE certificate_id IS NOT NULL;
CREATE INDEX acme_orders_expiring ON acme_orders (expires_at) WHERE status IN ('pending', 'ready');
CREATE INDEX acme_orders_processing ON acme_orders (lease_until) WHERE status = 'processing';
