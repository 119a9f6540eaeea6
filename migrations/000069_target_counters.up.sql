-- How many attempts to deploy there ended how: succeeded, of them idempotent; failed, by class; rolled_back.
ALTER TABLE targets ADD COLUMN counters jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(counters) = 'object');
