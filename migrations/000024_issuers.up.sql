-- Who signs: the platform's own CAs (the profile names which), or a CA elsewhere that the connector asks.
CREATE TABLE issuers (
  id         text PRIMARY KEY,
  name       text NOT NULL UNIQUE,
  type       text NOT NULL CHECK (type IN ('local', 'aws-private-ca')),
  -- no secrets: those are references
  config     jsonb NOT NULL DEFAULT '{}',
  enabled    boolean NOT NULL DEFAULT true,
  version    integer NOT NULL DEFAULT 1,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO issuers (id, name, type, created_by) VALUES ('iss-local', 'Local', 'local', 'system:migrate');
