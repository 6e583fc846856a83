-- The history's tables, version 2. Applied once, under an advisory lock (schema.py), with append.sql behind it.

CREATE SCHEMA history;
CREATE SCHEMA views;

COMMENT ON SCHEMA history IS 'What happened, append-only, chained.';
COMMENT ON SCHEMA views IS 'Read models: each can be dropped and rebuilt from the history.';

-- THE TABLES OF THE HISTORY
--
--   head             one row: the writers' lock, the end of the chain, and how far there are ranges for new events
--   events           the events, partitioned by ranges of positions; what they mean is in them and nowhere else
--   stream_versions  a row an event: (stream, version) -> position; unique, and the way to a stream's events
--   event_ids        a row an event: event_id -> position; unique, so that an append that happened is recognised
--
-- PostgreSQL wants the partition key in every unique key, so that uniqueness over all ranges lives in tables of its own.
-- The same function (append.sql) writes all four. stream_versions and event_ids are derived: `verify` compares them.

-- One row. Its lock is held from the choice of a position until the commit: no hole, and nobody is passed by who came
-- first. The page is kept nearly empty, so that each change of the row stays on it and needs no index.
CREATE TABLE history.head (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    position    bigint NOT NULL,
    hash        bytea NOT NULL,
    recorded_at timestamptz NOT NULL,
    range_size  bigint NOT NULL CHECK (range_size > 0), -- events in each range that is made from now on
    ranges_end  bigint NOT NULL                         -- the last position for which there is a range
) WITH (fillfactor = 20);
INSERT INTO history.head VALUES (true, 0, decode(repeat('00', 32), 'hex'), '-infinity', 2000000, 0);

CREATE TABLE history.stream_versions (
    stream   text NOT NULL,
    version  bigint NOT NULL CHECK (version > 0),
    position bigint NOT NULL,
    PRIMARY KEY (stream, version) INCLUDE (position)
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
    schema_version bigint NOT NULL,
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
    CHECK ((personal IS NULL) = (key_id IS NULL))
) PARTITION BY RANGE (position);
-- One for each way of reading (store.py, reading.py); each range has its own.
CREATE INDEX events_by_type ON history.events (type, position);
CREATE INDEX events_by_correlation ON history.events (correlation_id, position) WHERE correlation_id IS NOT NULL;
CREATE INDEX events_by_category ON history.events (split_part(stream, '-', 1), position);

-- How far each subscription has come, and the epoch of whoever leads it (an older epoch moves nothing).
CREATE TABLE history.subscriptions (
    name     text PRIMARY KEY,
    epoch    bigint NOT NULL DEFAULT 0,
    position bigint NOT NULL DEFAULT 0
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
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON history.stream_versions
    FOR EACH STATEMENT EXECUTE FUNCTION history.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON history.event_ids
    FOR EACH STATEMENT EXECUTE FUNCTION history.refuse_change();

-- Makes the next range of positions. It is attached, not made as a part: that blocks neither readers nor writers.
CREATE FUNCTION history.make_range(first_position bigint, size bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    name text := 'events_' || lpad(first_position::text, 12, '0');
BEGIN
    EXECUTE format('CREATE TABLE history.%I (LIKE history.events INCLUDING ALL)', name);
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON history.%I'
                   ' FOR EACH STATEMENT EXECUTE FUNCTION history.refuse_change()', name);
    EXECUTE format('ALTER TABLE history.events ATTACH PARTITION history.%I FOR VALUES FROM (%s) TO (%s)',
                   name, first_position, first_position + size);
    RETURN first_position + size - 1;
END $$;
UPDATE history.head SET ranges_end = history.make_range(1, range_size);
