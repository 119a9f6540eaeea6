-- What a target serves, as its agent saw it last, beside what was deployed there; when the agent looks again, and what is done about a difference.
ALTER TABLE targets ADD COLUMN on_drift text NOT NULL DEFAULT 'report' CHECK (on_drift IN ('ignore', 'report', 'repair'));
ALTER TABLE targets ADD COLUMN inspect_every_seconds integer NOT NULL DEFAULT 86400 CHECK (inspect_every_seconds BETWEEN 300 AND 604800);
-- NULL: nothing was deployed there yet, or nobody wants to know
ALTER TABLE targets ADD COLUMN inspect_at timestamptz;
ALTER TABLE targets ADD COLUMN inspected_at timestamptz;
ALTER TABLE targets ADD COLUMN inspection text CHECK (inspection IN ('in_sync', 'drifted', 'unreachable', 'deploying', 'nothing_deployed'));
-- since when it is not what was deployed; NULL: it is
ALTER TABLE targets ADD COLUMN drifted_since timestamptz;
-- SHA-256 of certificates
ALTER TABLE targets ADD COLUMN expected bytea;
ALTER TABLE targets ADD COLUMN observed bytea;
-- served over TLS, or stored where nothing is served
ALTER TABLE targets ADD COLUMN observed_source text CHECK (observed_source IN ('served', 'stored'));
ALTER TABLE targets ADD COLUMN observed_serial text;
ALTER TABLE targets ADD COLUMN observed_not_after timestamptz;
-- whether a deployment would come as far as its first write, and why not
ALTER TABLE targets ADD COLUMN ready boolean;
ALTER TABLE targets ADD COLUMN failure_class text;
ALTER TABLE targets ADD COLUMN inspection_detail text;
CREATE INDEX targets_inspection ON targets (agent_id, inspect_at) WHERE inspect_at IS NOT NULL;

ALTER TABLE jobs DROP CONSTRAINT jobs_type_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_type_check
  CHECK (type IN ('validation', 'finalize', 'crl', 'issuance', 'renewal', 'csr', 'deployment', 'compromise', 'revocation', 'inspection'));
ALTER TABLE jobs DROP CONSTRAINT jobs_of_agents;
ALTER TABLE jobs ADD CONSTRAINT jobs_of_agents CHECK ((type IN ('csr', 'deployment', 'inspection')) = (agent_id IS NOT NULL));
