-- What may be issued, to whom, and on what proof. The id is the last part of the profile's ACME directory URL.
CREATE TABLE profiles (
  id                  text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  name                text NOT NULL UNIQUE,
  description         text NOT NULL DEFAULT '',
  enabled             boolean NOT NULL DEFAULT true,
  acme_auth_mode      text NOT NULL DEFAULT 'challenge' CHECK (acme_auth_mode IN ('challenge', 'trust_authenticated')),
  eab_required        boolean NOT NULL DEFAULT false,
  -- exact names, '.suffix' for everything below, '*.suffix' for wildcard permission, or CIDR for addresses; NULL: any
  allowed_names       text[],
  allow_wildcards     boolean NOT NULL DEFAULT true,
  allow_single_label  boolean NOT NULL DEFAULT false,
  allowed_challenges  text[] NOT NULL DEFAULT '{http-01,dns-01}',
  -- private ranges that challenges may reach; link-local, loopback and metadata addresses never
  allowed_cidrs       cidr[] NOT NULL DEFAULT '{}',
  key_rules           jsonb NOT NULL DEFAULT '[{"algorithm":"ECDSA","min_size":256},{"algorithm":"RSA","min_size":2048},{"algorithm":"Ed25519","min_size":256}]',
  validity_seconds    integer NOT NULL DEFAULT 7776000 CHECK (validity_seconds BETWEEN 300 AND 34300800),
  extended_key_usages text[] NOT NULL DEFAULT '{serverAuth}',
  must_staple         boolean NOT NULL DEFAULT false,
  max_identifiers     integer NOT NULL DEFAULT 100 CHECK (max_identifiers BETWEEN 1 AND 100),
  terms_of_service    text,
  website             text,
  caa_identities      text[] NOT NULL DEFAULT '{}',
  ca_id               text NOT NULL,
  version             integer NOT NULL DEFAULT 1,
  created_at          timestamptz NOT NULL DEFAULT now(),
  updated_at          timestamptz NOT NULL DEFAULT now(),
  -- an account key alone proves nothing about a name: trust needs an operator's invitation or a list of names
  CONSTRAINT profiles_trust_needs_a_bound CHECK (acme_auth_mode = 'challenge' OR eab_required OR cardinality(allowed_names) > 0)
);
