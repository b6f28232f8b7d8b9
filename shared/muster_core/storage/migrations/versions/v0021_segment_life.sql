-- segment.owner: who created it, as the audit names them. segment_revision.actor: who made the change.
ALTER TABLE segment ADD COLUMN owner TEXT;
UPDATE segment s
   SET owner = (SELECT a.actor FROM audit_entry a
                 WHERE a.object = s.name AND a.action = 'segment.created' ORDER BY a.seq LIMIT 1);
ALTER TABLE segment_revision ADD COLUMN actor TEXT;

-- measure.deactivated_at: clean-up found that nothing uses it; the next use or change takes that back.
ALTER TABLE measure ADD COLUMN deactivated_at TIMESTAMP WITH TIME ZONE;

-- applied_document: what `muster apply` last said of something; what stands otherwise was changed by hand.
CREATE TABLE applied_document (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    document JSONB NOT NULL,
    actor TEXT NOT NULL,
    applied_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_applied_document PRIMARY KEY (kind, name)
);
