-- When a managed certificate is renewed, how often that is tried, and when its owner hears about it.
CREATE TABLE renewal_policies (
  id                     text PRIMARY KEY,
  name                   text NOT NULL UNIQUE,
  renewal_window_days    integer NOT NULL DEFAULT 30 CHECK (renewal_window_days BETWEEN 1 AND 365),
  auto_renew             boolean NOT NULL DEFAULT true,
  max_retries            integer NOT NULL DEFAULT 3 CHECK (max_retries BETWEEN 0 AND 10),
  retry_interval_seconds integer NOT NULL DEFAULT 300 CHECK (retry_interval_seconds BETWEEN 60 AND 86400),
  alert_thresholds_days  integer[] NOT NULL DEFAULT '{30,14,7,0}',
  version                integer NOT NULL DEFAULT 1,
  created_at             timestamptz NOT NULL DEFAULT now(),
  updated_at             timestamptz NOT NULL DEFAULT now()
);
INSERT INTO renewal_policies (id, name) VALUES ('rp-default', 'Default');
