-- RFC 9444: whether a proof of a domain may serve names below it, and which authorization is such a proof.
ALTER TABLE profiles ADD COLUMN subdomain_auth_allowed boolean NOT NULL DEFAULT false;
ALTER TABLE acme_authorizations ADD COLUMN subdomains boolean NOT NULL DEFAULT false;
