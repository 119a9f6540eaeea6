-- When it is next told that a CA ends: years before, so that its successor is made in time, and again as it comes nearer; NULL: it is over, or all was told.
ALTER TABLE certificate_authorities ADD COLUMN alert_at timestamptz;
CREATE INDEX certificate_authorities_alert ON certificate_authorities (alert_at, id) WHERE alert_at IS NOT NULL;

-- What lies in the first half of its life would be told of something that is still new.
CREATE FUNCTION authority_alert_after(not_before timestamptz, not_after timestamptz, after timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT min(not_after - make_interval(days => d)) FROM unnest(ARRAY[1825, 730, 365, 180, 90, 30, 7, 1, 0]) d
  WHERE not_after - make_interval(days => 2 * d) >= not_before AND not_after - make_interval(days => d) > after
$$;
CREATE FUNCTION authority_alert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.alert_at := CASE WHEN NEW.state IN ('active', 'retiring') THEN authority_alert_after(NEW.not_before, NEW.not_after, now()) END;
  RETURN NEW;
END
$$;
CREATE TRIGGER certificate_authorities_alert BEFORE INSERT OR UPDATE OF state, not_after ON certificate_authorities FOR EACH ROW EXECUTE FUNCTION authority_alert();
UPDATE certificate_authorities SET alert_at = authority_alert_after(not_before, not_after, now()) WHERE state IN ('active', 'retiring');
