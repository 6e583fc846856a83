-- The history's tables, version 1. Applied once, under an advisory lock (schema.py).

CREATE SCHEMA history;
CREATE SCHEMA keys;
CREATE SCHEMA views;

COMMENT ON SCHEMA history IS 'What happened, append-only, chained.';
COMMENT ON SCHEMA keys IS 'A key per customer, wrapped by the master key: destroying one makes its customer''s data unreadable.';
COMMENT ON SCHEMA views IS 'Read models: each can be dropped and rebuilt from the history.';

-- One row: the writers' lock, and the place where the next event goes.
CREATE TABLE history.head (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    position    bigint NOT NULL,
    hash        bytea NOT NULL,
    recorded_at timestamptz NOT NULL
);
INSERT INTO history.head (position, hash, recorded_at) VALUES (0, decode(repeat('00', 32), 'hex'), '-infinity');

CREATE TABLE history.streams (
    stream  text PRIMARY KEY,
    version bigint NOT NULL CHECK (version > 0)
);

CREATE TABLE history.event_ids (
    event_id uuid PRIMARY KEY,
    position bigint NOT NULL
);

CREATE TABLE history.events (
    position       bigint PRIMARY KEY CHECK (position > 0),
    stream         text NOT NULL,
    version        bigint NOT NULL CHECK (version > 0),
    event_id       uuid NOT NULL,
    type           text NOT NULL,
    schema_version integer NOT NULL,
    occurred_at    timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL,
    actor          text NOT NULL,
    subject        text,
    correlation_id text,
    causation_id   text,
    payload        bytea NOT NULL,
    personal       bytea,
    key_id         uuid,
    previous_hash  bytea NOT NULL,
    hash           bytea NOT NULL,
    UNIQUE (stream, version),
    CHECK ((personal IS NULL) = (key_id IS NULL))
);
CREATE INDEX events_by_type ON history.events (type, position);

-- How far each subscription has come, and the epoch of whoever leads it (an older epoch moves nothing).
CREATE TABLE history.subscriptions (
    name     text PRIMARY KEY,
    epoch    bigint NOT NULL DEFAULT 0,
    position bigint NOT NULL DEFAULT 0
);

CREATE TABLE keys.customer_keys (
    key_id       uuid PRIMARY KEY,
    subject      text NOT NULL,
    wrapped      bytea,
    created_at   timestamptz NOT NULL,
    destroyed_at timestamptz,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);
-- One living key per customer, whatever races.
CREATE UNIQUE INDEX one_living_key ON keys.customer_keys (subject) WHERE wrapped IS NOT NULL;

-- A known text under the master key: a wrong master key is noticed before it wraps anything.
CREATE TABLE keys.master_check (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    sealed bytea NOT NULL
);

CREATE TABLE views.checkpoints (
    name     text PRIMARY KEY,
    version  integer NOT NULL,
    position bigint NOT NULL
);

CREATE FUNCTION history.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON history.events
    FOR EACH STATEMENT EXECUTE FUNCTION history.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON history.event_ids
    FOR EACH STATEMENT EXECUTE FUNCTION history.refuse_change();

-- One field of the hashed encoding: its length as four bytes, big-endian, then its bytes; NULL is the length -1.
CREATE FUNCTION history.framed(field bytea) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN field IS NULL THEN int4send(-1) ELSE int4send(octet_length(field)) || field END;

CREATE FUNCTION history.micros(moment timestamptz) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN int8send((extract(epoch FROM moment) * 1000000)::bigint);

-- The encoding that canonical.py describes and repeats; the two are held together by tests.
CREATE FUNCTION history.event_hash(e history.events) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(
    convert_to('ringback.event.1', 'UTF8')
    || history.framed(int8send(e.position))
    || history.framed(convert_to(e.stream, 'UTF8'))
    || history.framed(int8send(e.version))
    || history.framed(uuid_send(e.event_id))
    || history.framed(convert_to(e.type, 'UTF8'))
    || history.framed(int8send(e.schema_version::bigint))
    || history.framed(history.micros(e.occurred_at))
    || history.framed(history.micros(e.recorded_at))
    || history.framed(convert_to(e.actor, 'UTF8'))
    || history.framed(convert_to(e.subject, 'UTF8'))
    || history.framed(convert_to(e.correlation_id, 'UTF8'))
    || history.framed(convert_to(e.causation_id, 'UTF8'))
    || history.framed(e.payload)
    || history.framed(e.personal)
    || history.framed(uuid_send(e.key_id))
    || history.framed(e.previous_hash)
);

-- Appends to several streams, or to none. Takes the writers' lock, looks for the ids before it compares versions, so that
-- a repeat is recognised whatever else has been appended since. `outcome` is one of
--   appended    written; `versions` are the streams' versions after it, in the order of `streams`
--   repeated    every id was there; `versions` are those of the batch's last event in each stream
--   partly      some ids were there: `present`; nothing is written
--   taken       an id was there under another stream or type: `present`; nothing is written
--   conflict    a stream is not at its expected version: `position` is its place in `streams`, `versions` what was found
CREATE FUNCTION history.append_events(
    p_streams text[], p_expected bigint[],
    p_stream text[], p_event_id uuid[], p_type text[], p_schema_version integer[], p_occurred_at timestamptz[],
    p_actor text[], p_subject text[], p_correlation_id text[], p_causation_id text[],
    p_payload bytea[], p_personal bytea[], p_key_id uuid[]
) RETURNS TABLE (outcome text, "position" bigint, versions bigint[], present uuid[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    head    history.head%ROWTYPE;
    e       history.events%ROWTYPE;
    latest  bigint[];
    newest  bigint;
    count   integer := cardinality(p_event_id);
    other   boolean;
BEGIN
    SELECT * INTO STRICT head FROM history.head FOR UPDATE;

    SELECT coalesce(array_agg(g.event_id ORDER BY g.n), '{}'), max(r.position),
           coalesce(bool_or(r.stream <> g.stream OR r.type <> g.type), false)
      INTO present, newest, other
      FROM unnest(p_event_id, p_stream, p_type) WITH ORDINALITY AS g (event_id, stream, type, n)
      JOIN history.event_ids i ON i.event_id = g.event_id
      JOIN history.events r ON r.position = i.position;
    IF cardinality(present) > 0 THEN
        IF other THEN
            RETURN QUERY SELECT 'taken'::text, newest, '{}'::bigint[], present;
        ELSIF cardinality(present) < count THEN
            RETURN QUERY SELECT 'partly'::text, newest, '{}'::bigint[], present;
        ELSE
            RETURN QUERY
                SELECT 'repeated'::text, newest,
                       array_agg(coalesce(w.version, h.version, 0) ORDER BY g.n), present
                  FROM unnest(p_streams) WITH ORDINALITY AS g (stream, n)
                  LEFT JOIN history.streams h ON h.stream = g.stream
                  LEFT JOIN (SELECT r.stream, max(r.version) AS version
                               FROM history.events r
                               JOIN history.event_ids i ON i.position = r.position
                              WHERE i.event_id = ANY (p_event_id) GROUP BY r.stream) w ON w.stream = g.stream;
        END IF;
        RETURN;
    END IF;

    SELECT coalesce(array_agg(coalesce(h.version, 0) ORDER BY g.n), '{}') INTO latest
      FROM unnest(p_streams) WITH ORDINALITY AS g (stream, n)
      LEFT JOIN history.streams h ON h.stream = g.stream;
    FOR s IN 1 .. cardinality(p_streams) LOOP
        IF p_expected[s] IS NOT NULL AND p_expected[s] <> latest[s] THEN
            RETURN QUERY SELECT 'conflict'::text, s::bigint, latest, present;
            RETURN;
        END IF;
    END LOOP;

    -- Under the lock, and by the one clock that all writers share: a moment is a position.
    e.recorded_at := greatest(clock_timestamp(), head.recorded_at);
    e.position := head.position;
    e.hash := head.hash;
    FOR n IN 1 .. count LOOP
        e.position := e.position + 1;
        e.previous_hash := e.hash;
        e.stream := p_stream[n];
        newest := array_position(p_streams, e.stream);
        latest[newest] := latest[newest] + 1;
        e.version := latest[newest];
        e.event_id := p_event_id[n];
        e.type := p_type[n];
        e.schema_version := p_schema_version[n];
        e.occurred_at := p_occurred_at[n];
        e.actor := p_actor[n];
        e.subject := p_subject[n];
        e.correlation_id := p_correlation_id[n];
        e.causation_id := p_causation_id[n];
        e.payload := p_payload[n];
        e.personal := p_personal[n];
        e.key_id := p_key_id[n];
        e.hash := history.event_hash(e);
        INSERT INTO history.events SELECT e.*;
        INSERT INTO history.event_ids VALUES (e.event_id, e.position);
    END LOOP;
    IF count > 0 THEN
        UPDATE history.head SET position = e.position, hash = e.hash, recorded_at = e.recorded_at;
        INSERT INTO history.streams (stream, version)
            SELECT g.stream, g.version FROM unnest(p_streams, latest) AS g (stream, version) WHERE g.version > 0
            ON CONFLICT (stream) DO UPDATE SET version = excluded.version;
    END IF;
    RETURN QUERY SELECT 'appended'::text, e.position, latest, present;
END $$;
