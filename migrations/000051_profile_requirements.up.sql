-- Certificates as the public web has them: which rules a profile keeps to, and the policies that its certificates assert.
ALTER TABLE profiles
  ADD COLUMN requirements text NOT NULL DEFAULT 'rfc5280' CHECK (requirements IN ('rfc5280', 'cabf_tls_br')),
  ADD COLUMN policies text[] NOT NULL DEFAULT '{}';
