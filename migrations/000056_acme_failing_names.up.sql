-- Validations that failed since the last one that did not, of each account and name. What is paused waits for a person.
CREATE TABLE acme_failing_names (
  id               text PRIMARY KEY DEFAULT 'fail-' || replace(gen_random_uuid()::text, '-', ''),
  account_id       text NOT NULL REFERENCES acme_accounts ON DELETE CASCADE,
  profile_id       text NOT NULL REFERENCES profiles ON DELETE CASCADE,
  identifier_type  text NOT NULL CHECK (identifier_type IN ('dns', 'ip')),
  identifier_value text NOT NULL,
  failures         integer NOT NULL CHECK (failures > 0),
  -- oldest first, no more than the limit of an hour has use for
  failed_at        timestamptz[] NOT NULL,
  last_failed_at   timestamptz NOT NULL DEFAULT now(),
  error            jsonb NOT NULL,
  paused_at        timestamptz,
  -- who knows it may let the account's names go on; 122 random bits
  unpause_token    text NOT NULL DEFAULT gen_random_uuid()::text,
  UNIQUE (account_id, identifier_type, identifier_value)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX acme_failing_names_token ON acme_failing_names (unpause_token);
CREATE INDEX acme_failing_names_order ON acme_failing_names (last_failed_at, id);
CREATE INDEX acme_failing_names_account_order ON acme_failing_names (account_id, last_failed_at, id);
CREATE INDEX acme_failing_names_profile_order ON acme_failing_names (profile_id, last_failed_at, id);
CREATE INDEX acme_failing_names_paused ON acme_failing_names (last_failed_at, id) WHERE paused_at IS NOT NULL;
