-- The leaves of a compromised CA are revoked page by page, by a job for each CA.
ALTER TABLE jobs DROP CONSTRAINT jobs_type_check;
ALTER TABLE jobs ADD CONSTRAINT jobs_type_check
  CHECK (type IN ('validation', 'finalize', 'crl', 'issuance', 'renewal', 'csr', 'deployment', 'compromise'));
