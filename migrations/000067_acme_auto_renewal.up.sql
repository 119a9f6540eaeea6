-- RFC 8739: what a profile allows of automatic renewal, {"min_lifetime", "max_duration", "allow_certificate_get"}; NULL: none.
ALTER TABLE profiles ADD COLUMN auto_renewal jsonb;
-- auto_renewal as the order object has it (§3.1.1); star_id is the last part of the certificate's URL, which whoever knows it may be allowed to read.
-- first_not_before is where the schedule begins, renewal_number the number of the newest certificate, 0 the first; both from the first one on.
ALTER TABLE acme_orders
  ADD COLUMN auto_renewal jsonb,
  ADD COLUMN star_id text,
  ADD COLUMN first_not_before timestamptz,
  ADD COLUMN renewal_number integer;
ALTER TABLE acme_orders DROP CONSTRAINT acme_orders_status_check;
ALTER TABLE acme_orders
  ADD CONSTRAINT acme_orders_status_check CHECK (status IN ('pending', 'ready', 'processing', 'valid', 'invalid', 'canceled'));
CREATE UNIQUE INDEX acme_orders_star ON acme_orders (star_id) WHERE star_id IS NOT NULL;
CREATE INDEX acme_orders_star_ended ON acme_orders (expires_at) WHERE star_id IS NOT NULL;
-- The certificates that such an order has had. Numbers that nobody fetched in their time are missing.
CREATE TABLE acme_renewals (
  order_id       text NOT NULL REFERENCES acme_orders ON DELETE CASCADE,
  number         integer NOT NULL CHECK (number >= 0),
  certificate_id text NOT NULL UNIQUE REFERENCES certificates ON DELETE RESTRICT,
  PRIMARY KEY (order_id, number)
);
