-- A second person's yes. The gate stands where jobs are made and moved, so that no way in, now or later, leads around it.
ALTER TABLE profiles ADD COLUMN requires_approval boolean NOT NULL DEFAULT false;
ALTER TABLE jobs ADD COLUMN requested_by text;
CREATE TABLE approvals (
  id             text PRIMARY KEY,
  kind           text NOT NULL CHECK (kind IN ('issuance', 'profile_edit')),
  -- no reference: jobs are forgotten one day, decisions are not
  job_id         text UNIQUE,
  certificate_id text REFERENCES managed_certificates ON DELETE RESTRICT,
  profile_id     text NOT NULL REFERENCES profiles ON DELETE RESTRICT,
  requested_by   text NOT NULL,
  state          text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'approved', 'rejected', 'expired', 'cancelled')),
  decided_by     text,
  decided_at     timestamptz,
  note           text,
  -- the profile as it shall be, and the version that it was asked for
  payload        jsonb,
  base_version   integer,
  created_at     timestamptz NOT NULL DEFAULT now(),
  expires_at     timestamptz NOT NULL DEFAULT now() + interval '7 days',
  CHECK (decided_by <> requested_by),
  CHECK ((kind = 'issuance') = (job_id IS NOT NULL)),
  CHECK ((kind = 'profile_edit') = (payload IS NOT NULL)),
  CHECK (state NOT IN ('approved', 'rejected') OR decided_by IS NOT NULL)
);
CREATE UNIQUE INDEX approvals_one_edit ON approvals (profile_id) WHERE kind = 'profile_edit' AND state = 'pending';
CREATE INDEX approvals_order ON approvals (created_at, id);
CREATE INDEX approvals_state ON approvals (state, created_at, id);
CREATE INDEX approvals_certificate ON approvals (certificate_id, created_at, id);
CREATE INDEX approvals_requester ON approvals (requested_by, created_at, id);
CREATE INDEX approvals_profile ON approvals (profile_id, created_at, id);

-- The certificate that a job is about: its subject, or that of the agent's share which its subject is.
CREATE FUNCTION certificate_of_job(subject text) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT h.certificate_id FROM certificate_holders h WHERE h.id = subject), subject)
$$;

-- A job for a certificate whose profile wants approval begins by waiting for it, whoever makes the job; one that waits already is enough.
CREATE FUNCTION jobs_want_approval() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM managed_certificates m JOIN profiles p ON p.id = m.profile_id WHERE m.id = certificate_of_job(NEW.subject_id) AND p.requires_approval) THEN
    IF NEW.type = 'csr' AND EXISTS (SELECT FROM jobs j WHERE j.subject_id = NEW.subject_id AND j.type = 'csr' AND j.status = 'awaiting_approval') THEN
      RETURN NULL;
    END IF;
    NEW.status := 'awaiting_approval';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER jobs_gate BEFORE INSERT ON jobs FOR EACH ROW WHEN (NEW.type IN ('issuance', 'renewal', 'csr')) EXECUTE FUNCTION jobs_want_approval();
-- two at once: the second fails, and finds the first when it is tried again
CREATE UNIQUE INDEX jobs_one_csr_waiting ON jobs (subject_id) WHERE type = 'csr' AND status = 'awaiting_approval';

CREATE FUNCTION jobs_ask_approval() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  asked text := 'ar-' || replace(gen_random_uuid()::text, '-', '');
BEGIN
  INSERT INTO approvals (id, kind, job_id, certificate_id, profile_id, requested_by)
  SELECT asked, 'issuance', NEW.id, m.id, m.profile_id, coalesce(NEW.requested_by, m.created_by)
  FROM managed_certificates m WHERE m.id = certificate_of_job(NEW.subject_id);
  INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
  SELECT a.requested_by, CASE WHEN NEW.requested_by IS NULL THEN 'System' ELSE 'APIKey' END, 'approval_requested', 'approval', a.id,
         jsonb_build_object('certificate', a.certificate_id, 'job', a.job_id), 'cert_lifecycle' FROM approvals a WHERE a.id = asked;
  RETURN NULL;
END
$$;
CREATE TRIGGER jobs_approval_asked AFTER INSERT ON jobs FOR EACH ROW
  WHEN (NEW.type IN ('issuance', 'renewal', 'csr') AND NEW.status = 'awaiting_approval') EXECUTE FUNCTION jobs_ask_approval();

-- No update gets past the gate either: what was asked about moves only after a yes.
CREATE FUNCTION jobs_keep_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM approvals a WHERE a.job_id = NEW.id AND a.state <> 'approved') THEN
    RAISE EXCEPTION 'the job has no approval' USING ERRCODE = 'check_violation', CONSTRAINT = 'jobs_approved';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER jobs_gate_kept BEFORE UPDATE ON jobs FOR EACH ROW
  WHEN (NEW.type IN ('issuance', 'renewal', 'csr') AND (NEW.status IN ('pending', 'awaiting_csr', 'running', 'completed') OR NEW.retryable) AND OLD.status <> NEW.status)
  EXECUTE FUNCTION jobs_keep_gate();

-- Who stops waiting takes the question back.
CREATE FUNCTION jobs_close_approval() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE approvals SET state = CASE NEW.status WHEN 'cancelled' THEN 'cancelled' ELSE 'expired' END WHERE job_id = NEW.id AND state = 'pending';
  RETURN NULL;
END
$$;
CREATE TRIGGER jobs_approval_closed AFTER UPDATE ON jobs FOR EACH ROW
  WHEN (OLD.status = 'awaiting_approval' AND NEW.status IN ('failed', 'cancelled')) EXECUTE FUNCTION jobs_close_approval();

-- A decision stands: what was decided is never decided anew.
CREATE FUNCTION approvals_stand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the approval was decided' USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_stand';
END
$$;
CREATE TRIGGER approvals_decided BEFORE UPDATE ON approvals FOR EACH ROW WHEN (OLD.state <> 'pending') EXECUTE FUNCTION approvals_stand();
CREATE TRIGGER approvals_kept BEFORE DELETE ON approvals FOR EACH ROW EXECUTE FUNCTION approvals_stand();
