-- Where a request begins to look for events that are not sealed: the trail's last five minutes would be too much to look through at each change.
-- Up to looked_id all was sealed that could be seen, and what could not be seen belonged to transactions before looked_xid. When those have ended and
-- what they left was sealed, nothing below looked_id is left, and quick_id moves there. The loop goes on looking from settled_id.
ALTER TABLE audit_head
  ADD COLUMN quick_id bigint NOT NULL DEFAULT 0,
  ADD COLUMN looked_id bigint NOT NULL DEFAULT 0,
  ADD COLUMN looked_xid xid8 NOT NULL DEFAULT '0';
