-- One row per CA generation whose key we hold. The key is sealed by the envelope key (AES-GCM, context = id), never plain.
CREATE TABLE certificate_authorities (
  id           text PRIMARY KEY,
  name         text NOT NULL UNIQUE,
  parent_id    text REFERENCES certificate_authorities ON DELETE RESTRICT,
  state        text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'retiring', 'retired')),
  algorithm    text NOT NULL,
  certificate  bytea NOT NULL,
  sealed_key   bytea NOT NULL,
  not_before   timestamptz NOT NULL,
  not_after    timestamptz NOT NULL CHECK (not_after > not_before),
  created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX certificate_authorities_parent ON certificate_authorities (parent_id);
ALTER TABLE profiles ADD CONSTRAINT profiles_ca FOREIGN KEY (ca_id) REFERENCES certificate_authorities ON DELETE RESTRICT;
CREATE INDEX profiles_ca_id ON profiles (ca_id);
