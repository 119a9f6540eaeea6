-- Which agents belong together: what a group asks of an agent, each NULL asking nothing, and whom people put there or kept out.
CREATE TABLE agent_groups (
  id                 text PRIMARY KEY,
  name               text NOT NULL,
  description        text NOT NULL DEFAULT '',
  match_os           text,
  match_architecture text,
  match_ip_cidr      cidr,
  -- a range as npm writes it, e.g. >=1.2 <2
  match_version      text,
  version            integer NOT NULL DEFAULT 1,
  created_at         timestamptz NOT NULL DEFAULT now(),
  updated_at         timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX agent_groups_name ON agent_groups (lower(name));
CREATE INDEX agent_groups_order ON agent_groups (name, id);
CREATE INDEX agent_groups_created ON agent_groups (created_at, id);
CREATE TABLE agent_group_members (
  group_id text NOT NULL REFERENCES agent_groups ON DELETE CASCADE,
  agent_id text NOT NULL REFERENCES agents ON DELETE RESTRICT,
  mode     text NOT NULL CHECK (mode IN ('include', 'exclude')),
  added_by text NOT NULL,
  added_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (group_id, agent_id)
);
CREATE INDEX agent_group_members_agent ON agent_group_members (agent_id);
-- the group that agents who come by a token are put into
ALTER TABLE agent_enrolment_tokens ADD COLUMN group_id text REFERENCES agent_groups ON DELETE SET NULL;
CREATE INDEX agent_enrolment_tokens_group ON agent_enrolment_tokens (group_id) WHERE group_id IS NOT NULL;
