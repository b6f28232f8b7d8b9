-- erasure_secret: one row, the key of the keyed hashes of erased customers, sealed like credentials are.
CREATE TABLE erasure_secret (
    id INTEGER NOT NULL,
    sealed TEXT NOT NULL,
    CONSTRAINT pk_erasure_secret PRIMARY KEY (id),
    CONSTRAINT ck_erasure_secret_single CHECK (id = 1)
);

-- erasure: a customer who is never delivered or shown again. digest: keyed hash of the key. place: the hash that
-- decides the partition, sealed. customer: the key, sealed, only until every destination was told.
CREATE TABLE erasure (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    digest BYTEA NOT NULL,
    place TEXT NOT NULL,
    customer TEXT,
    requested_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    requested_by TEXT NOT NULL,
    refused_rows INTEGER DEFAULT 0 NOT NULL,
    CONSTRAINT pk_erasure PRIMARY KEY (id),
    CONSTRAINT uq_erasure_digest UNIQUE (digest)
);

-- erasure_part: what one erasure does at one destination: a version's files written again (delivery_id), or the
-- removal itself told. versions: what the destination held, by segment. rows: how many it removed, where known.
-- document, connection_id: where to, kept although the export may be removed meanwhile.
CREATE TABLE erasure_part (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    erasure_id BIGINT NOT NULL,
    export TEXT NOT NULL,
    kind TEXT NOT NULL,
    how TEXT NOT NULL,
    state TEXT NOT NULL,
    document JSONB NOT NULL,
    connection_id BIGINT,
    delivery_id BIGINT,
    versions JSONB NOT NULL,
    attempt INTEGER DEFAULT 0 NOT NULL,
    max_attempts INTEGER DEFAULT 5 NOT NULL,
    available_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    fence BIGINT,
    sent_at TIMESTAMP WITH TIME ZONE,
    acknowledged_at TIMESTAMP WITH TIME ZONE,
    rows BIGINT,
    location TEXT,
    error_class TEXT,
    error TEXT,
    CONSTRAINT pk_erasure_part PRIMARY KEY (id),
    CONSTRAINT ck_erasure_part_how CHECK (how IN ('rewrite', 'removal')),
    CONSTRAINT ck_erasure_part_state CHECK (state IN ('pending', 'sent', 'acknowledged', 'failed')),
    CONSTRAINT fk_erasure_part_erasure_id FOREIGN KEY(erasure_id) REFERENCES erasure (id),
    CONSTRAINT fk_erasure_part_connection_id FOREIGN KEY(connection_id)
        REFERENCES connection (id) ON DELETE SET NULL,
    CONSTRAINT fk_erasure_part_delivery_id FOREIGN KEY(delivery_id)
        REFERENCES delivery (id) ON DELETE SET NULL
);
CREATE INDEX ix_erasure_part_erasure_id ON erasure_part (erasure_id);
CREATE INDEX ix_erasure_part_connection_id ON erasure_part (connection_id);
CREATE INDEX ix_erasure_part_delivery_id ON erasure_part (delivery_id);
CREATE INDEX erasure_part_open ON erasure_part (available_at)
    WHERE how = 'removal' AND state IN ('pending', 'sent');

-- edition: how often an erasure took something out of the delivery after it had begun; new ids for its messages.
-- erased: the newest erasure that its last claim knew. suppressed: versions never sent, pinned at the first claim.
ALTER TABLE delivery ADD COLUMN edition INTEGER DEFAULT 0 NOT NULL;
ALTER TABLE delivery ADD COLUMN erased BIGINT DEFAULT 0 NOT NULL;
ALTER TABLE delivery ADD COLUMN suppressed JSONB;
