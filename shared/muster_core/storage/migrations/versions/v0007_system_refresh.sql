-- A system refresh is a record of its own: who asked for it, how it ended, what its stages did.
-- state: running, succeeded, partial, failed, cancelled, skipped; reason: misfire, requested or null.
-- pinned_at: when the snapshot was pinned, which ends the stage ingest.
-- stages: what `muster_core.schedules.stage` made of it at its end; null while it runs.
ALTER TABLE system_refresh ADD COLUMN state TEXT DEFAULT 'running' NOT NULL;
ALTER TABLE system_refresh ADD COLUMN reason TEXT;
ALTER TABLE system_refresh ADD COLUMN actor TEXT;
ALTER TABLE system_refresh ADD COLUMN pinned_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE system_refresh ADD COLUMN finished_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE system_refresh ADD COLUMN stages JSONB;

-- Looked through by every sweep, for those whose work has ended.
CREATE INDEX running ON system_refresh (id) WHERE state = 'running';

-- hinted_at: when the process last received a hint through Redis; null where it never did.
ALTER TABLE process ADD COLUMN hinted_at TIMESTAMP WITH TIME ZONE;
