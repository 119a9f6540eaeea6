-- Signed OCSP responses that may be given again. One counts only while the certificate's status is the one that it was signed for, which the same query reads:
-- no revocation has to find and remove it.
CREATE TABLE ocsp_responses (
  ca_id        text NOT NULL REFERENCES certificate_authorities ON DELETE RESTRICT,
  serial       text NOT NULL CHECK (serial ~ '^(0|[1-9a-f][0-9a-f]*)$'),
  -- CertID as it was asked, which the response repeats byte for byte
  cert_id      bytea NOT NULL CHECK (length(cert_id) <= 256),
  responder_id text NOT NULL REFERENCES ocsp_responders ON DELETE CASCADE,
  -- "good", or when and why it was revoked
  status       text NOT NULL,
  response     bytea NOT NULL,
  this_update  timestamptz NOT NULL,
  next_update  timestamptz NOT NULL CHECK (next_update > this_update),
  PRIMARY KEY (ca_id, serial, cert_id)
);
CREATE INDEX ocsp_responses_next_update ON ocsp_responses (next_update);
CREATE INDEX ocsp_responses_responder ON ocsp_responses (responder_id);
