-- Where notifications go. The secret signs them and is sealed by the envelope key for the connector alone.
CREATE TABLE notification_channels (
  id            text PRIMARY KEY,
  name          text NOT NULL UNIQUE,
  type          text NOT NULL CHECK (type IN ('webhook')),
  url           text NOT NULL,
  sealed_secret bytea NOT NULL,
  events        text[] NOT NULL,
  -- what happens when a sender died and nobody knows whether it had sent
  delivery      text NOT NULL DEFAULT 'at_least_once' CHECK (delivery IN ('at_least_once', 'at_most_once')),
  enabled       boolean NOT NULL DEFAULT true,
  created_by    text NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now()
);
