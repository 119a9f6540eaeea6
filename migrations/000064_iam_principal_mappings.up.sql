-- AWS identities that may call, and what each may do. A mapping ends and stays: approvals ask whose it was.
CREATE TABLE iam_principal_mappings (
  id           text PRIMARY KEY,
  -- ARN of a role or user of IAM, without its path
  principal    text NOT NULL,
  -- as it is called in the audit trail
  actor        text NOT NULL CHECK (actor LIKE 'IAM:%'),
  description  text NOT NULL DEFAULT '',
  -- of role, scope_type, scope_id and expires_at, as grants of keys have them
  roles        jsonb NOT NULL CHECK (jsonb_typeof(roles) = 'array'),
  owner_id     text REFERENCES owners ON DELETE RESTRICT,
  version      integer NOT NULL DEFAULT 1,
  created_by   text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now(),
  last_used_at timestamptz,
  ended_at     timestamptz
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX iam_principal_mappings_live ON iam_principal_mappings (principal) WHERE ended_at IS NULL;
CREATE INDEX iam_principal_mappings_order ON iam_principal_mappings (created_at, id);
CREATE INDEX iam_principal_mappings_principal ON iam_principal_mappings (principal, created_at, id);
CREATE INDEX iam_principal_mappings_actor ON iam_principal_mappings (actor);
CREATE INDEX iam_principal_mappings_owner ON iam_principal_mappings (owner_id);

-- Whose a caller is, however it proves itself.
CREATE VIEW callers AS
  SELECT id AS caller, owner_id, created_by, created_at FROM api_keys
  UNION ALL
  SELECT actor, owner_id, created_by, created_at FROM iam_principal_mappings;

-- What an AWS identity does is told from what a key does, with the name of its session, whoever writes the row. Rows that are there kept a narrower rule.
ALTER TABLE audit_events DROP CONSTRAINT audit_events_actor_type_check;
ALTER TABLE audit_events ADD CONSTRAINT audit_events_actor_type_check
  CHECK (actor_type IN ('User', 'System', 'Agent', 'APIKey', 'IAM', 'ACME', 'Anonymous')) NOT VALID;
CREATE FUNCTION audit_of_iam() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.actor_type := 'IAM';
  -- the transaction may write of another identity, too
  IF current_setting('certctl.iam_actor', true) = NEW.actor THEN
    NEW.details := NEW.details || jsonb_strip_nulls(jsonb_build_object('session', nullif(current_setting('certctl.iam_session', true), '')));
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER audit_events_iam BEFORE INSERT ON audit_events FOR EACH ROW WHEN (NEW.actor LIKE 'IAM:%') EXECUTE FUNCTION audit_of_iam();
