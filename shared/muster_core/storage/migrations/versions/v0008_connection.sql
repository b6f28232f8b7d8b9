-- connection: a destination by name. document: everything but the credentials, which stand sealed in secret.
-- secret_rev is part of what they are sealed for. disabled: why nothing is delivered any more (gone).
-- failures: transient ones in a row; closed_until: no delivery is taken before. test_*: asked for, and its answer.
CREATE TABLE connection (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    document JSONB NOT NULL,
    secret TEXT,
    secret_rev INTEGER DEFAULT 0 NOT NULL,
    paused BOOLEAN DEFAULT false NOT NULL,
    disabled TEXT,
    failures INTEGER DEFAULT 0 NOT NULL,
    closed_until TIMESTAMP WITH TIME ZONE,
    test_asked_at TIMESTAMP WITH TIME ZONE,
    tested_at TIMESTAMP WITH TIME ZONE,
    test_error_class TEXT,
    test_error TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_connection PRIMARY KEY (id),
    CONSTRAINT uq_connection_name UNIQUE (name)
);

-- null: the export names its folder itself, or was detached
ALTER TABLE export ADD COLUMN connection_id BIGINT;
ALTER TABLE export ADD CONSTRAINT fk_export_connection_id
    FOREIGN KEY(connection_id) REFERENCES connection (id);
CREATE INDEX ix_export_connection_id ON export (connection_id);
ALTER TABLE export ADD COLUMN next_due_at TIMESTAMP WITH TIME ZONE;

-- basis: what a delivery of changes stands on, pinned at its first claim, so that a repeat sends the same bytes.
-- counts: how many rows of each operation were sent, and refused
ALTER TABLE delivery ADD COLUMN basis JSONB;
ALTER TABLE delivery ADD COLUMN counts JSONB;
CREATE INDEX delivery_running ON delivery (export_id) WHERE state = 'running';

-- export_basis: the version a destination acknowledged last. hashes: the lake's manifest of row hashes.
CREATE TABLE export_basis (
    export_id BIGINT NOT NULL,
    segment_id BIGINT NOT NULL,
    version BIGINT NOT NULL,
    hashes TEXT,
    hashes_sha256 TEXT,
    acknowledged_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_export_basis PRIMARY KEY (export_id, segment_id),
    CONSTRAINT fk_export_basis_export_id FOREIGN KEY(export_id)
        REFERENCES export (id) ON DELETE CASCADE
);

-- delivery_refused: rows a destination did not take, by place in the store: no key stands here.
CREATE TABLE delivery_refused (
    export_id BIGINT NOT NULL,
    segment_id BIGINT NOT NULL,
    partition INTEGER NOT NULL,
    ordinal BIGINT NOT NULL,
    operation TEXT NOT NULL,
    reason TEXT NOT NULL,
    version BIGINT NOT NULL,
    attempts INTEGER DEFAULT 1 NOT NULL,
    first_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_delivery_refused PRIMARY KEY (export_id, segment_id, partition, ordinal),
    CONSTRAINT fk_delivery_refused_export_id FOREIGN KEY(export_id)
        REFERENCES export (id) ON DELETE CASCADE
);
