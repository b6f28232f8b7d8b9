-- segment_reference: which segments a saved segment refers to; kept in step with its document.
-- policy: use_last, or skip where at least one of its references to the segment says so.
CREATE TABLE segment_reference (
    segment_id BIGINT NOT NULL,
    referred_id BIGINT NOT NULL,
    policy TEXT NOT NULL,
    CONSTRAINT pk_segment_reference PRIMARY KEY (segment_id, referred_id),
    CONSTRAINT fk_segment_reference_segment_id FOREIGN KEY(segment_id) REFERENCES segment (id),
    CONSTRAINT fk_segment_reference_referred_id FOREIGN KEY(referred_id) REFERENCES segment (id)
);
CREATE INDEX ix_segment_reference_referred_id ON segment_reference (referred_id);

-- measure: aggregates with a name; rev counts its changes, digest is the SHA-256 of what it means.
CREATE TABLE measure (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    document JSONB NOT NULL,
    digest TEXT NOT NULL,
    rev INTEGER DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_measure PRIMARY KEY (id),
    CONSTRAINT uq_measure_name UNIQUE (name)
);

CREATE TABLE measure_revision (
    measure_id BIGINT NOT NULL,
    rev INTEGER NOT NULL,
    document JSONB NOT NULL,
    digest TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_measure_revision PRIMARY KEY (measure_id, rev),
    CONSTRAINT fk_measure_revision_measure_id FOREIGN KEY(measure_id) REFERENCES measure (id)
);

-- inputs: {"segments": [{segment, version, ...}], "measures": [{measure, rev, digest}]} the run was computed from.
-- inputs_sha256: what pins them beside rule_rev and rule_hash; null where the rules use neither.
ALTER TABLE refresh_run ADD COLUMN inputs JSONB;
ALTER TABLE refresh_run ADD COLUMN inputs_sha256 TEXT;
ALTER TABLE membership_version ADD COLUMN inputs_sha256 TEXT;

-- Looked through before every claim: the runs that those referring to their segments wait for.
CREATE INDEX unfinished ON refresh_run (segment_id)
    WHERE state IN ('pending', 'running', 'evaluated');
