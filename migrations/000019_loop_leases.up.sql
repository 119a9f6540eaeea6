-- Who works for a loop right now. The token rises with every holder; what a holder writes names it, so that one who was thought dead changes nothing.
CREATE TABLE loop_leases (
  loop       text PRIMARY KEY,
  holder     text NOT NULL,
  token      bigint NOT NULL,
  expires_at timestamptz NOT NULL,
  release    text NOT NULL
);
