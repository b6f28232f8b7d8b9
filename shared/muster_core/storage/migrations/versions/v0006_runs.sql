-- batch_cap: the most runs it may be claimed together with, after a batch with it was lost; null: no bound.
ALTER TABLE refresh_run ADD COLUMN batch_cap INTEGER;

-- Looked through when a newer version is published, and for those that have waited too long.
CREATE INDEX held ON refresh_run (segment_id) WHERE state = 'held';

-- alert: the outbox of what people are told; kind: run_failed, run_held, delivery_failed, stale, limit.
-- state: waiting, sent, dropped (given up). key: what is told once.
CREATE TABLE alert (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    run_id BIGINT,
    delivery_id BIGINT,
    facts JSONB DEFAULT '{}'::jsonb NOT NULL,
    state TEXT DEFAULT 'waiting' NOT NULL,
    attempt INTEGER DEFAULT 0 NOT NULL,
    available_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    error TEXT,
    CONSTRAINT pk_alert PRIMARY KEY (id),
    CONSTRAINT uq_alert_key UNIQUE (key),
    CONSTRAINT fk_alert_run_id FOREIGN KEY(run_id) REFERENCES refresh_run (id),
    CONSTRAINT fk_alert_delivery_id FOREIGN KEY(delivery_id) REFERENCES delivery (id)
);
CREATE INDEX alert_waiting ON alert (id) WHERE state = 'waiting';

-- An alert stands in the transaction of the step it tells of, whichever service or release makes the step.
CREATE FUNCTION alert_of_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO alert (kind, key, run_id)
    VALUES ('run_' || NEW.to_state, 'run_event:' || NEW.id, NEW.run_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER alert AFTER INSERT ON run_event
    FOR EACH ROW WHEN (NEW.to_state IN ('failed', 'held')) EXECUTE FUNCTION alert_of_run();

CREATE FUNCTION alert_of_delivery() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO alert (kind, key, delivery_id)
    VALUES ('delivery_' || NEW.to_state, 'delivery_event:' || NEW.id, NEW.delivery_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER alert AFTER INSERT ON delivery_event
    FOR EACH ROW WHEN (NEW.to_state = 'failed') EXECUTE FUNCTION alert_of_delivery();

-- cluster: one row. epoch is the upper part of every fence; timeline and system tell which PostgreSQL it is of.
CREATE TABLE cluster (
    id INTEGER NOT NULL,
    epoch BIGINT DEFAULT 0 NOT NULL,
    timeline BIGINT,
    system TEXT,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_cluster PRIMARY KEY (id),
    CONSTRAINT ck_cluster_single CHECK (id = 1)
);
INSERT INTO cluster (id) VALUES (1);
