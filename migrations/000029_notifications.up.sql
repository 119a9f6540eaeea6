-- The outbox of what people hear: written with the change that it tells of, sent by whoever claims it. The dedupe key makes it one.
CREATE TABLE notifications (
  id               text PRIMARY KEY,
  channel_id       text NOT NULL REFERENCES notification_channels ON DELETE RESTRICT,
  event            text NOT NULL,
  subject_id       text NOT NULL,
  data             jsonb NOT NULL,
  dedupe_key       text NOT NULL UNIQUE,
  status           text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'sending', 'sent', 'failed', 'dead', 'suppressed')),
  attempts         integer NOT NULL DEFAULT 0,
  next_attempt_at  timestamptz NOT NULL DEFAULT now(),
  hinted_at        timestamptz,
  lease_token      text,
  lease_expires_at timestamptz,
  -- sends whose end is unknown and that were repeated
  ambiguous        integer NOT NULL DEFAULT 0,
  last_error       text,
  sent_at          timestamptz,
  created_at       timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
CREATE INDEX notifications_channel ON notifications (channel_id);
CREATE INDEX notifications_due ON notifications (next_attempt_at) WHERE status IN ('pending', 'failed');
CREATE INDEX notifications_leased ON notifications (lease_expires_at) WHERE status = 'sending';
CREATE INDEX notifications_subject ON notifications (subject_id);
