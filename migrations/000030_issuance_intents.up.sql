-- What a job is about to ask of a CA elsewhere; committed before it asks. Whoever takes the job over finds the order instead of making a second one.
CREATE TABLE issuance_intents (
  job_id      text PRIMARY KEY REFERENCES jobs ON DELETE RESTRICT,
  issuer_id   text NOT NULL REFERENCES issuers ON DELETE RESTRICT,
  csr_sha256  bytea NOT NULL,
  -- the CA's idempotency token: one job, one certificate
  token       text NOT NULL UNIQUE,
  not_after   timestamptz NOT NULL,
  attempt     integer NOT NULL,
  -- what the CA calls the order, once it has answered
  order_ref   text,
  created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX issuance_intents_issuer ON issuance_intents (issuer_id);
