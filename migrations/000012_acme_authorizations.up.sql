-- RFC 8555 §7.1.4. position keeps the order of the identifiers.
CREATE TABLE acme_authorizations (
  id               text PRIMARY KEY,
  order_id         text NOT NULL REFERENCES acme_orders ON DELETE CASCADE,
  account_id       text NOT NULL,
  position         smallint NOT NULL,
  identifier_type  text NOT NULL CHECK (identifier_type IN ('dns', 'ip')),
  identifier_value text NOT NULL,
  wildcard         boolean NOT NULL DEFAULT false,
  status           text NOT NULL CHECK (status IN ('pending', 'valid', 'invalid', 'deactivated', 'expired', 'revoked')),
  expires_at       timestamptz NOT NULL,
  created_at       timestamptz NOT NULL DEFAULT now(),
  UNIQUE (order_id, position)
) WITH (fillfactor = 80);
-- revocation by an account that holds valid authorizations for every name (RFC 8555 §7.6)
CREATE INDEX acme_authorizations_held ON acme_authorizations (account_id, identifier_value) WHERE status = 'valid';
CREATE INDEX acme_authorizations_expiring ON acme_authorizations (expires_at) WHERE status IN ('pending', 'valid');
