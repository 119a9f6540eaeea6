-- Ticks that opened the database. A tick is its key: the same one delivered twice finds its row and leaves.
CREATE TABLE loop_runs (
  id              text PRIMARY KEY,
  loop            text NOT NULL,
  -- the scheduled time (RFC 3339), or manual:<id>
  tick_key        text NOT NULL,
  outcome         text NOT NULL CHECK (outcome IN ('requested', 'running', 'succeeded', 'failed', 'lease_held', 'disabled')),
  holder          text,
  lease_token     bigint,
  release         text,
  requested_by    text,
  items_processed integer NOT NULL DEFAULT 0,
  items_failed    integer NOT NULL DEFAULT 0,
  -- how often the same tick came again
  duplicates      integer NOT NULL DEFAULT 0,
  error           text,
  started_at      timestamptz NOT NULL DEFAULT now(),
  finished_at     timestamptz,
  UNIQUE (loop, tick_key)
);
CREATE INDEX loop_runs_newest ON loop_runs (loop, started_at DESC);
CREATE INDEX loop_runs_age ON loop_runs (started_at);
