-- Which profiles the shared directory offers, and how long a proof of a name serves further orders of its account.
ALTER TABLE profiles
  ADD COLUMN selectable boolean NOT NULL DEFAULT false,
  ADD COLUMN authorization_reuse_seconds integer NOT NULL DEFAULT 0 CHECK (authorization_reuse_seconds BETWEEN 0 AND 2592000),
  ALTER COLUMN allowed_challenges SET DEFAULT '{http-01,dns-01,tls-alpn-01}',
  -- whoever registers elsewhere has shown no invitation here
  ADD CONSTRAINT profiles_selectable_without_invitation CHECK (NOT (selectable AND eab_required));
