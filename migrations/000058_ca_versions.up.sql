-- A CA is changed by who has seen its version.
ALTER TABLE certificate_authorities ADD COLUMN version integer NOT NULL DEFAULT 1;
