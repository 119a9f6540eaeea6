-- What must leave the system because a transaction committed: hints for the queue, mirrors, notices. Sent after the commit by
-- whoever is quickest, deleted once sent; the dispatcher repairs what was lost.
CREATE TABLE outbox (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic      text NOT NULL CHECK (topic IN ('job', 'profile')),
  subject_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_age ON outbox (created_at);
CREATE INDEX outbox_subject ON outbox (topic, subject_id);
