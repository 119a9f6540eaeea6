-- Whose a certificate is: an owner answers for it, a team is whom to ask. Neither goes while something is theirs.
CREATE TABLE teams (
  id          text PRIMARY KEY,
  name        text NOT NULL,
  description text NOT NULL DEFAULT '',
  version     integer NOT NULL DEFAULT 1,
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX teams_name ON teams (lower(name));
CREATE INDEX teams_order ON teams (name, id);
CREATE INDEX teams_created ON teams (created_at, id);
CREATE TABLE owners (
  id         text PRIMARY KEY,
  name       text NOT NULL,
  email      text NOT NULL,
  team_id    text REFERENCES teams ON DELETE RESTRICT,
  version    integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX owners_email ON owners (team_id, lower(email)) NULLS NOT DISTINCT;
CREATE INDEX owners_order ON owners (name, id);
CREATE INDEX owners_created ON owners (created_at, id);
ALTER TABLE managed_certificates ADD COLUMN owner_id text REFERENCES owners ON DELETE RESTRICT;
ALTER TABLE managed_certificates ADD COLUMN team_id text REFERENCES teams ON DELETE RESTRICT;
ALTER TABLE managed_certificates ADD COLUMN environment text NOT NULL DEFAULT '';
ALTER TABLE managed_certificates ADD COLUMN tags jsonb NOT NULL DEFAULT '{}';
CREATE INDEX managed_certificates_owner ON managed_certificates (owner_id, created_at, id);
CREATE INDEX managed_certificates_team ON managed_certificates (team_id, created_at, id);
CREATE INDEX managed_certificates_environment ON managed_certificates (environment, created_at, id);
CREATE INDEX renewal_policies_order ON renewal_policies (name, id);
CREATE INDEX renewal_policies_created ON renewal_policies (created_at, id);
-- Whose key it is, where it is a person's: one person with two keys is one person.
ALTER TABLE api_keys ADD COLUMN owner_id text REFERENCES owners ON DELETE RESTRICT;
CREATE INDEX api_keys_owner ON api_keys (owner_id);
