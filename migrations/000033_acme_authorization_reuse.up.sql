-- An authorization that another one of the same account vouches for: it holds the original's id and ends with it.
ALTER TABLE acme_authorizations ADD COLUMN reused_from text;
CREATE INDEX acme_authorizations_reused ON acme_authorizations (reused_from) WHERE reused_from IS NOT NULL;
