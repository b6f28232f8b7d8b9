-- snapshot.expired_at: nothing needs it any more; nobody may take it up again, and its files go after a grace.
ALTER TABLE snapshot ADD COLUMN expired_at TIMESTAMP WITH TIME ZONE;

-- collector: one row, the lease of the collection in progress and what came of the last one.
CREATE TABLE collector (
    id INTEGER NOT NULL,
    fence BIGINT,
    lease_owner TEXT,
    lease_expires_at TIMESTAMP WITH TIME ZONE,
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    report JSONB,
    error_class TEXT,
    error TEXT,
    CONSTRAINT pk_collector PRIMARY KEY (id),
    CONSTRAINT ck_collector_single CHECK (id = 1)
);
INSERT INTO collector (id) VALUES (1);

-- garbage: files of the lake that nothing names, and since when that is known; they are removed after a grace.
CREATE TABLE garbage (
    path TEXT NOT NULL,
    marked_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_garbage PRIMARY KEY (path)
);
