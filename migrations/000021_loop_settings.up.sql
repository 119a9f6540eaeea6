-- An operator's word about a loop; read when a tick begins. No row: as the release says.
CREATE TABLE loop_settings (
  loop                      text PRIMARY KEY,
  enabled                   boolean NOT NULL DEFAULT true,
  -- slower than the schedule only: a tick that comes earlier leaves
  interval_override_seconds integer CHECK (interval_override_seconds BETWEEN 60 AND 604800),
  reason                    text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
  version                   integer NOT NULL DEFAULT 1,
  updated_by                text NOT NULL,
  updated_at                timestamptz NOT NULL DEFAULT now()
);
