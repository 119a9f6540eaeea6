-- RFC 9773 §5: the certificate that an order renews, as the client named it and as the inventory knows it.
ALTER TABLE acme_orders
  ADD COLUMN replaces text,
  ADD COLUMN replaces_certificate_id text REFERENCES certificates ON DELETE RESTRICT;
-- a certificate is replaced once; an order that came to nothing frees it
CREATE UNIQUE INDEX acme_orders_replaces ON acme_orders (replaces_certificate_id) WHERE replaces_certificate_id IS NOT NULL AND status <> 'invalid';
