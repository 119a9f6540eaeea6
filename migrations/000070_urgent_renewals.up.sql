-- Since when a certificate should be replaced before its policy's time; NULL: it need not, or a version came since.
ALTER TABLE managed_certificates ADD COLUMN urgent_since timestamptz;
ALTER TABLE certificate_holders ADD COLUMN urgent_since timestamptz;

-- Why certificates should be replaced at once: their CA signs no more, or their key is in other hands. Noted in the commit that made it so;
-- renewalCheck goes through the certificates concerned, page by page, and a page that was committed stays done.
CREATE TABLE renewal_causes (
  id           bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  ca_id        text UNIQUE REFERENCES certificate_authorities ON DELETE CASCADE,
  spki_sha256  bytea UNIQUE,
  noted_at     timestamptz NOT NULL DEFAULT now(),
  due_at       timestamptz NOT NULL DEFAULT now(),
  -- how far the pass has come, how many have their turn in it, and whom only a person can help
  after        text NOT NULL DEFAULT '',
  hastened     integer NOT NULL DEFAULT 0,
  left_alone   integer NOT NULL DEFAULT 0,
  names        text[] NOT NULL DEFAULT '{}',
  CHECK ((ca_id IS NULL) <> (spki_sha256 IS NULL))
);
CREATE INDEX renewal_causes_due ON renewal_causes (due_at, id);

-- A cause is noted by whatever makes it so, and by nobody forgotten: hence triggers. They write as their owner, for a release that does not know the table
-- may write beside it before that role is granted it.
CREATE FUNCTION note_fallen_authorities() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
  INSERT INTO renewal_causes (ca_id)
    SELECT id FROM certificate_authorities WHERE (state <> 'active' OR NOT signs_leaves) AND not_after > now() ORDER BY id
  ON CONFLICT (ca_id) DO UPDATE SET noted_at = now(), due_at = now(), after = '', hastened = 0, left_alone = 0, names = '{}'
$$;
REVOKE ALL ON FUNCTION note_fallen_authorities() FROM PUBLIC;
CREATE FUNCTION note_authority_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  -- one that signs again is gone through as well: nothing is urgent any more
  INSERT INTO renewal_causes (ca_id) VALUES (NEW.id)
    ON CONFLICT (ca_id) DO UPDATE SET noted_at = now(), due_at = now(), after = '', hastened = 0, left_alone = 0, names = '{}';
  IF NEW.state = 'active' AND NEW.signs_leaves THEN
    -- it can certify for those whom nobody could
    PERFORM note_fallen_authorities();
  END IF;
  RETURN NULL;
END
$$;
CREATE FUNCTION note_choice() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM note_fallen_authorities();
  RETURN NULL;
END
$$;
CREATE FUNCTION note_blocked_key() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO renewal_causes (spki_sha256) SELECT NEW.spki_sha256 WHERE EXISTS (SELECT FROM certificates c
    WHERE c.spki_sha256 = NEW.spki_sha256 AND c.managed_id IS NOT NULL) ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
CREATE TRIGGER certificate_authorities_note_change AFTER UPDATE OF state, signs_leaves ON certificate_authorities FOR EACH ROW
  WHEN (NEW.state <> OLD.state OR NEW.signs_leaves <> OLD.signs_leaves) EXECUTE FUNCTION note_authority_change();
CREATE TRIGGER issuers_note_choice AFTER UPDATE OF issuing_ca_id, enabled ON issuers FOR EACH ROW
  WHEN (NEW.issuing_ca_id IS DISTINCT FROM OLD.issuing_ca_id OR NEW.enabled AND NOT OLD.enabled) EXECUTE FUNCTION note_choice();
CREATE TRIGGER profiles_note_choice AFTER UPDATE OF ca_id ON profiles FOR EACH ROW
  WHEN (NEW.ca_id <> OLD.ca_id) EXECUTE FUNCTION note_choice();
CREATE TRIGGER blocked_keys_note AFTER INSERT ON blocked_keys FOR EACH ROW EXECUTE FUNCTION note_blocked_key();
