-- RFC 8555 §7.1.5. One token per challenge.
CREATE TABLE acme_challenges (
  id               text PRIMARY KEY,
  authorization_id text NOT NULL REFERENCES acme_authorizations ON DELETE CASCADE,
  type             text NOT NULL CHECK (type IN ('http-01', 'dns-01', 'tls-alpn-01')),
  token            text NOT NULL,
  status           text NOT NULL CHECK (status IN ('pending', 'processing', 'valid', 'invalid')),
  validated_at     timestamptz,
  error            jsonb,
  created_at       timestamptz NOT NULL DEFAULT now(),
  UNIQUE (authorization_id, type)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX acme_challenges_token ON acme_challenges (token);
