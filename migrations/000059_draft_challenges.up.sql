-- draft-ietf-acme-dns-account-label, draft-ietf-acme-dns-persist. The token of dns-persist-01 is shown to nobody.
ALTER TABLE acme_challenges DROP CONSTRAINT acme_challenges_type_check;
ALTER TABLE acme_challenges
  ADD CONSTRAINT acme_challenges_type_check CHECK (type IN ('http-01', 'dns-01', 'tls-alpn-01', 'dns-account-01', 'dns-persist-01'));
-- A record that was made with a key which the account had once goes on proving (draft-ietf-acme-dns-persist-02 §4.2).
CREATE TABLE acme_account_keys (
  account_id     text NOT NULL REFERENCES acme_accounts ON DELETE CASCADE,
  -- RFC 7638, base64url
  jwk_thumbprint text NOT NULL,
  replaced_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account_id, jwk_thumbprint)
);
