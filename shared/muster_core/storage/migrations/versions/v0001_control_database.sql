-- The control database, first form. Dictionary: the modules muster_core/storage/*_table.py.

CREATE SEQUENCE fence_seq;

CREATE TABLE catalog_version (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    digest TEXT NOT NULL,
    document JSONB NOT NULL,
    applied_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_catalog_version PRIMARY KEY (id)
);

CREATE TABLE export (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    document JSONB NOT NULL,
    active BOOLEAN DEFAULT true NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_export PRIMARY KEY (id),
    CONSTRAINT uq_export_name UNIQUE (name)
);

CREATE TABLE process (
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    doing TEXT,
    load DOUBLE PRECISION,
    CONSTRAINT pk_process PRIMARY KEY (name)
);

CREATE TABLE segment (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    state TEXT NOT NULL,
    document JSONB NOT NULL,
    rule_hash TEXT NOT NULL,
    rev INTEGER DEFAULT 1 NOT NULL,
    schedule JSONB NOT NULL,
    schedule_error TEXT,
    next_due_at TIMESTAMP WITH TIME ZONE,
    published_version BIGINT,
    published_due_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_segment PRIMARY KEY (id),
    CONSTRAINT uq_segment_name UNIQUE (name)
);

CREATE INDEX due ON segment (next_due_at) WHERE next_due_at IS NOT NULL;

CREATE TABLE setting (
    name TEXT NOT NULL,
    value JSONB NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_setting PRIMARY KEY (name)
);

CREATE TABLE export_segment (
    export_id BIGINT NOT NULL,
    segment_id BIGINT NOT NULL,
    CONSTRAINT pk_export_segment PRIMARY KEY (export_id, segment_id),
    CONSTRAINT fk_export_segment_export_id FOREIGN KEY(export_id) REFERENCES export (id) ON DELETE CASCADE,
    CONSTRAINT fk_export_segment_segment_id FOREIGN KEY(segment_id) REFERENCES segment (id)
);

CREATE TABLE segment_revision (
    segment_id BIGINT NOT NULL,
    rev INTEGER NOT NULL,
    rule_hash TEXT NOT NULL,
    document JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_segment_revision PRIMARY KEY (segment_id, rev),
    CONSTRAINT fk_segment_revision_segment_id FOREIGN KEY(segment_id) REFERENCES segment (id)
);

CREATE TABLE snapshot (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    parent_id BIGINT,
    generation INTEGER NOT NULL,
    manifest TEXT NOT NULL,
    manifest_sha256 TEXT NOT NULL,
    catalog_id BIGINT NOT NULL,
    customers BIGINT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    report JSONB NOT NULL,
    CONSTRAINT pk_snapshot PRIMARY KEY (id),
    CONSTRAINT uq_snapshot_parent_id UNIQUE (parent_id),
    CONSTRAINT fk_snapshot_parent_id FOREIGN KEY(parent_id) REFERENCES snapshot (id),
    CONSTRAINT fk_snapshot_catalog_id FOREIGN KEY(catalog_id) REFERENCES catalog_version (id)
);

CREATE TABLE batch (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    fence BIGINT NOT NULL,
    worker TEXT NOT NULL,
    state TEXT NOT NULL,
    runs INTEGER NOT NULL,
    as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    snapshot_id BIGINT,
    plan_sha256 TEXT,
    engine TEXT,
    engine_session TEXT,
    engine_user TEXT,
    engine_jobs JSONB DEFAULT '[]'::jsonb NOT NULL,
    manifest TEXT,
    manifest_sha256 TEXT,
    tasks INTEGER,
    tasks_done INTEGER DEFAULT 0 NOT NULL,
    seconds JSONB DEFAULT '{}'::jsonb NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    error_class TEXT,
    error TEXT,
    CONSTRAINT pk_batch PRIMARY KEY (id),
    CONSTRAINT uq_batch_fence UNIQUE (fence),
    CONSTRAINT fk_batch_snapshot_id FOREIGN KEY(snapshot_id) REFERENCES snapshot (id)
);

CREATE TABLE store_head (
    id SERIAL NOT NULL CONSTRAINT ck_store_head_single CHECK (id = 1),
    snapshot_id BIGINT,
    fence BIGINT,
    lease_owner TEXT,
    lease_expires_at TIMESTAMP WITH TIME ZONE,
    error_class TEXT,
    error TEXT,
    CONSTRAINT pk_store_head PRIMARY KEY (id),
    CONSTRAINT fk_store_head_snapshot_id FOREIGN KEY(snapshot_id) REFERENCES snapshot (id)
);

CREATE TABLE system_refresh (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    trigger TEXT NOT NULL,
    as_of TIMESTAMP WITH TIME ZONE,
    snapshot_id BIGINT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_system_refresh PRIMARY KEY (id),
    CONSTRAINT uq_system_refresh_due_at UNIQUE (due_at),
    CONSTRAINT fk_system_refresh_snapshot_id FOREIGN KEY(snapshot_id) REFERENCES snapshot (id)
);

CREATE INDEX lost ON batch (id) WHERE state = 'lost';

CREATE TABLE refresh_run (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    segment_id BIGINT NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    trigger TEXT NOT NULL,
    scheduler TEXT,
    system_refresh_id BIGINT,
    requested_as_of TIMESTAMP WITH TIME ZONE,
    state TEXT DEFAULT 'pending' NOT NULL,
    reason TEXT,
    priority INTEGER DEFAULT 5 NOT NULL,
    schema_version INTEGER DEFAULT 1 NOT NULL,
    attempt INTEGER DEFAULT 0 NOT NULL,
    max_attempts INTEGER DEFAULT 5 NOT NULL,
    available_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    fence BIGINT,
    lease_owner TEXT,
    lease_expires_at TIMESTAMP WITH TIME ZONE,
    cancel_requested BOOLEAN DEFAULT false NOT NULL,
    error_class TEXT,
    error TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    batch_id BIGINT,
    rule_rev INTEGER,
    rule_hash TEXT,
    as_of TIMESTAMP WITH TIME ZONE,
    snapshot_id BIGINT,
    manifest TEXT,
    manifest_sha256 TEXT,
    bit INTEGER,
    member_count BIGINT,
    joined BIGINT,
    "left" BIGINT,
    node_counts JSONB,
    version BIGINT,
    started_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_refresh_run PRIMARY KEY (id),
    CONSTRAINT uq_refresh_run_segment_id_due_at UNIQUE (segment_id, due_at),
    CONSTRAINT ck_refresh_run_leased CHECK ((state IN ('running', 'evaluated')) = (lease_expires_at IS NOT NULL)),
    CONSTRAINT fk_refresh_run_segment_id FOREIGN KEY(segment_id) REFERENCES segment (id),
    CONSTRAINT fk_refresh_run_system_refresh_id FOREIGN KEY(system_refresh_id) REFERENCES system_refresh (id),
    CONSTRAINT fk_refresh_run_batch_id FOREIGN KEY(batch_id) REFERENCES batch (id),
    CONSTRAINT fk_refresh_run_snapshot_id FOREIGN KEY(snapshot_id) REFERENCES snapshot (id)
);

CREATE INDEX claimable ON refresh_run (priority, due_at, id) WHERE state = 'pending';

CREATE INDEX ix_refresh_run_system_refresh_id ON refresh_run (system_refresh_id);

CREATE UNIQUE INDEX one_active ON refresh_run (segment_id) WHERE state IN ('running', 'evaluated');

CREATE TABLE membership_version (
    segment_id BIGINT NOT NULL,
    version BIGINT NOT NULL,
    run_id BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    as_of TIMESTAMP WITH TIME ZONE NOT NULL,
    rule_rev INTEGER NOT NULL,
    rule_hash TEXT NOT NULL,
    snapshot_id BIGINT NOT NULL,
    member_count BIGINT NOT NULL,
    joined BIGINT NOT NULL,
    "left" BIGINT NOT NULL,
    published_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_membership_version PRIMARY KEY (segment_id, version),
    CONSTRAINT fk_membership_version_segment_id FOREIGN KEY(segment_id) REFERENCES segment (id),
    CONSTRAINT uq_membership_version_run_id UNIQUE (run_id),
    CONSTRAINT fk_membership_version_run_id FOREIGN KEY(run_id) REFERENCES refresh_run (id),
    CONSTRAINT fk_membership_version_snapshot_id FOREIGN KEY(snapshot_id) REFERENCES snapshot (id)
);

CREATE TABLE run_event (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    run_id BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    from_state TEXT,
    to_state TEXT NOT NULL,
    fence BIGINT,
    actor TEXT NOT NULL,
    reason TEXT,
    CONSTRAINT pk_run_event PRIMARY KEY (id),
    CONSTRAINT fk_run_event_run_id FOREIGN KEY(run_id) REFERENCES refresh_run (id)
);

CREATE INDEX ix_run_event_run_id ON run_event (run_id);

CREATE TABLE delivery (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    export_id BIGINT NOT NULL,
    segment_id BIGINT NOT NULL,
    version BIGINT NOT NULL,
    document JSONB NOT NULL,
    state TEXT DEFAULT 'pending' NOT NULL,
    reason TEXT,
    attempt INTEGER DEFAULT 0 NOT NULL,
    max_attempts INTEGER DEFAULT 5 NOT NULL,
    available_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    fence BIGINT,
    lease_owner TEXT,
    lease_expires_at TIMESTAMP WITH TIME ZONE,
    cancel_requested BOOLEAN DEFAULT false NOT NULL,
    error_class TEXT,
    error TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    rows BIGINT,
    bytes BIGINT,
    location TEXT,
    started_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_delivery PRIMARY KEY (id),
    CONSTRAINT uq_delivery_export_id_segment_id_version UNIQUE (export_id, segment_id, version),
    CONSTRAINT fk_delivery_segment_id_version FOREIGN KEY(segment_id, version) REFERENCES membership_version (segment_id, version),
    CONSTRAINT ck_delivery_leased CHECK ((state = 'running') = (lease_expires_at IS NOT NULL)),
    CONSTRAINT fk_delivery_export_id FOREIGN KEY(export_id) REFERENCES export (id)
);

CREATE INDEX deliverable ON delivery (id) WHERE state = 'pending';

CREATE TABLE membership_pointer (
    segment_id BIGINT NOT NULL,
    version BIGINT NOT NULL,
    manifest TEXT NOT NULL,
    manifest_sha256 TEXT NOT NULL,
    bit INTEGER NOT NULL,
    CONSTRAINT pk_membership_pointer PRIMARY KEY (segment_id, version),
    CONSTRAINT fk_membership_pointer_segment_id_version FOREIGN KEY(segment_id, version) REFERENCES membership_version (segment_id, version)
);

CREATE TABLE delivery_chunk (
    delivery_id BIGINT NOT NULL,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    rows BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    acknowledged_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_delivery_chunk PRIMARY KEY (delivery_id, number),
    CONSTRAINT fk_delivery_chunk_delivery_id FOREIGN KEY(delivery_id) REFERENCES delivery (id)
);

CREATE TABLE delivery_event (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    delivery_id BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    from_state TEXT,
    to_state TEXT NOT NULL,
    fence BIGINT,
    actor TEXT NOT NULL,
    reason TEXT,
    CONSTRAINT pk_delivery_event PRIMARY KEY (id),
    CONSTRAINT fk_delivery_event_delivery_id FOREIGN KEY(delivery_id) REFERENCES delivery (id)
);

CREATE INDEX ix_delivery_event_delivery_id ON delivery_event (delivery_id);

-- What was published is never changed; where its members are is kept in membership_pointer.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'membership_version is immutable' USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON membership_version
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER immutable_as_a_whole BEFORE TRUNCATE ON membership_version
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

INSERT INTO store_head (id) VALUES (1);
