-- Principals of the control plane. The bootstrap principal is the first: its token is shown once, its SHA-256 kept.
CREATE TABLE api_keys (
  id           text PRIMARY KEY,
  name         text NOT NULL UNIQUE,
  token_sha256 bytea NOT NULL UNIQUE,
  role         text NOT NULL CHECK (role IN ('admin')),
  expires_at   timestamptz,
  created_at   timestamptz NOT NULL DEFAULT now()
);
