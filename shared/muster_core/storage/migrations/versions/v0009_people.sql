-- person: who may come in. role: viewer, contributor, administrator; members: the grant to see member data.
CREATE TABLE person (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    members BOOLEAN DEFAULT false NOT NULL,
    password_hash TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    disabled_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_person PRIMARY KEY (id),
    CONSTRAINT uq_person_name UNIQUE (name),
    CONSTRAINT ck_person_role CHECK (role IN ('viewer', 'contributor', 'administrator'))
);

-- api_token: digest is the SHA-256 of the token; role and members are the most it may do.
CREATE TABLE api_token (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    person_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    digest BYTEA NOT NULL,
    role TEXT NOT NULL,
    members BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_used_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_api_token PRIMARY KEY (id),
    CONSTRAINT fk_api_token_person_id FOREIGN KEY(person_id) REFERENCES person (id),
    CONSTRAINT uq_api_token_digest UNIQUE (digest),
    CONSTRAINT ck_api_token_role CHECK (role IN ('viewer', 'contributor', 'administrator'))
);
CREATE INDEX ix_api_token_person_id ON api_token (person_id);

-- login_attempt: failed ones, so that guessing is slow; account is the SHA-256 of name and address.
CREATE TABLE login_attempt (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    account BYTEA NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_login_attempt PRIMARY KEY (id)
);
CREATE INDEX ix_login_attempt_account_at ON login_attempt (account, at);

-- audit_entry: what people did; hash = SHA-256 over the entry and the hash before it.
CREATE TABLE audit_entry (
    seq BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail JSONB NOT NULL,
    previous BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT pk_audit_entry PRIMARY KEY (seq)
);

CREATE FUNCTION audit_entry_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries of the audit are never changed';
END $$;
CREATE TRIGGER audit_entry_is_final BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_entry_is_final();

-- idempotent_answer: what a request with an Idempotency-Key was answered, for a day.
CREATE TABLE idempotent_answer (
    actor TEXT NOT NULL,
    key TEXT NOT NULL,
    request_sha256 BYTEA NOT NULL,
    status INTEGER,
    body JSONB,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_idempotent_answer PRIMARY KEY (actor, key)
);
