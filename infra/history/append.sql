-- The hash chain and the append, inside PostgreSQL. What each promises is said in docs/history.md.

-- One field of the hashed encoding: its length as four bytes, big-endian, then its bytes; NULL is the length -1.
CREATE FUNCTION history.framed(field bytea) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN field IS NULL THEN int4send(-1) ELSE int4send(octet_length(field)) || field END;

-- The hashed encoding's first part: the event's place. Lengths are constant: 8, 32, 8 and 8 bytes.
CREATE FUNCTION history.place("position" bigint, previous_hash bytea, recorded_at timestamptz, version bigint)
RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '\x72696e676261636b2e6576656e742e31'::bytea -- "ringback.event.1"
    || '\x00000008'::bytea || int8send(position)
    || '\x00000020'::bytea || previous_hash
    || '\x00000008'::bytea || timestamptz_send(recorded_at)
    || '\x00000008'::bytea || int8send(version);

-- Its second part: what the writer says.
CREATE FUNCTION history.content(
    stream text, event_id uuid, type text, schema_version bigint, occurred_at timestamptz, actor text, subject text,
    correlation_id text, causation_id text, payload bytea, personal bytea, key_id uuid
) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN int4send(octet_length(stream)) || convert_to(stream, 'UTF8')
    || '\x00000010'::bytea || uuid_send(event_id)
    || int4send(octet_length(type)) || convert_to(type, 'UTF8')
    || '\x00000008'::bytea || int8send(schema_version)
    || '\x00000008'::bytea || timestamptz_send(occurred_at)
    || int4send(octet_length(actor)) || convert_to(actor, 'UTF8')
    || history.framed(convert_to(subject, 'UTF8'))
    || history.framed(convert_to(correlation_id, 'UTF8'))
    || history.framed(convert_to(causation_id, 'UTF8'))
    || int4send(octet_length(payload)) || payload
    || history.framed(personal)
    || history.framed(uuid_send(key_id));

-- The encoding that canonical.py describes and repeats; the two are held together by tests.
CREATE FUNCTION history.event_hash(e history.events) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(
    history.place(e.position, e.previous_hash, e.recorded_at, e.version)
    || history.content(e.stream, e.event_id, e.type, e.schema_version, e.occurred_at, e.actor, e.subject,
                       e.correlation_id, e.causation_id, e.payload, e.personal, e.key_id)
);

-- What is to be said of a batch of which at least one id is recorded: repeated, partly, or taken (below).
CREATE FUNCTION history.recognised(
    p_streams text[], p_stream text[], p_event_id uuid[], p_type text[],
    OUT outcome text, OUT "position" bigint, OUT versions bigint[], OUT present uuid[]
) LANGUAGE plpgsql STABLE
SET enable_seqscan TO off SET enable_hashjoin TO off SET enable_mergejoin TO off SET jit TO off AS $$
#variable_conflict use_column
DECLARE
    other boolean;
BEGIN
    SELECT array_agg(g.event_id ORDER BY g.n), max(r.position), bool_or(r.stream <> g.stream OR r.type <> g.type)
      INTO present, position, other
      FROM unnest(p_event_id, p_stream, p_type) WITH ORDINALITY AS g (event_id, stream, type, n)
      JOIN history.event_ids i ON i.event_id = g.event_id
      JOIN history.events r ON r.position = i.position;
    versions := '{}';
    IF other THEN
        outcome := 'taken';
    ELSIF cardinality(present) < cardinality(p_event_id) THEN
        outcome := 'partly';
    ELSE
        outcome := 'repeated';
        SELECT array_agg(coalesce(w.version, h.version, 0) ORDER BY g.n) INTO versions
          FROM unnest(p_streams) WITH ORDINALITY AS g (stream, n)
          LEFT JOIN LATERAL (SELECT v.version FROM history.stream_versions v
                              WHERE v.stream = g.stream ORDER BY v.version DESC LIMIT 1) h ON true
          LEFT JOIN (SELECT r.stream, max(r.version) AS version
                       FROM unnest(p_event_id) AS asked (event_id)
                       JOIN history.event_ids i ON i.event_id = asked.event_id
                       JOIN history.events r ON r.position = i.position GROUP BY r.stream) w ON w.stream = g.stream;
    END IF;
END $$;

-- Appends several batches in one transaction, each to several streams or to none of them: what one batch is refused
-- for undoes nothing of the others. A later batch finds the versions that an earlier one leaves. No id may stand in
-- two of the batches. Ids are looked for before versions are compared, so that a repeat is recognised whatever else has
-- been appended since.
--
--   p_writes, p_events    of each batch: how many writes, and how many events; the other arrays are in their order
--   p_names               the names of all streams, each once
--   p_write_stream, p_expected              of each write: its stream (a place in p_names), and the expected version
--   p_stream, p_event_id, p_type …          of each event
--
-- Answers a row a batch, in order. `outcome` is one of
--   appended    written; `versions` are the streams' versions after it, in the order of the batch's writes
--   repeated    every id was there; `versions` are those of the batch's last event in each stream
--   partly      some ids were there: `present`; nothing is written
--   taken       an id was there under another stream or type: `present`; nothing is written
--   conflict    a stream is not at its expected version: `position` is its place in the batch's writes, `versions`
--               what was found
--
-- Plans are made once and go by index whatever the statistics say: the tables are empty when the first is made. Before
-- PostgreSQL 18 a plan that must read the head's one row from end to end costs so much on paper that it would be compiled
-- anew at each append.
CREATE FUNCTION history.append_batches(
    p_writes integer[], p_events integer[], p_names text[], p_write_stream integer[], p_expected bigint[],
    p_stream integer[], p_event_id uuid[], p_type text[], p_schema_version bigint[], p_occurred_at timestamptz[],
    p_actor text[], p_subject text[], p_correlation_id text[], p_causation_id text[],
    p_payload bytea[], p_personal bytea[], p_key_id uuid[]
) RETURNS TABLE (outcome text, "position" bigint, versions bigint[], present uuid[]) LANGUAGE plpgsql
SET enable_seqscan TO off SET enable_hashjoin TO off SET enable_mergejoin TO off
SET plan_cache_mode TO force_generic_plan SET jit TO off AS $$
#variable_conflict use_column
DECLARE
    last       history.head%ROWTYPE;
    recorded   timestamptz;
    at         bigint;
    last_hash  bytea;
    contents   bytea[];
    known      uuid[];
    latest     bigint[];
    positions  bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(p_event_id)]);
    numbers    bigint[] := positions;
    previous   bytea[] := array_fill(NULL::bytea, ARRAY[cardinality(p_event_id)]);
    hashes     bytea[] := previous;
    w          integer := 0;
    n          integer := 0;
    missing    constant bytea := '\xffffffff';
    chosen     constant bytea := '\x72696e676261636b2e6576656e742e3100000008';
    first_w    integer;
    first_n    integer;
    s          integer;
BEGIN
    -- What needs no lock comes before it. (history.content, written out: called, it would be planned anew each time.)
    SELECT array_agg(int4send(octet_length(p_names[g.s])) || convert_to(p_names[g.s], 'UTF8')
                     || '\x00000010'::bytea || uuid_send(g.event_id)
                     || int4send(octet_length(g.type)) || convert_to(g.type, 'UTF8')
                     || '\x00000008'::bytea || int8send(g.schema_version)
                     || '\x00000008'::bytea || timestamptz_send(g.occurred_at)
                     || int4send(octet_length(g.actor)) || convert_to(g.actor, 'UTF8')
                     || coalesce(int4send(octet_length(g.subject)) || convert_to(g.subject, 'UTF8'), missing)
                     || coalesce(int4send(octet_length(g.correlation_id)) || convert_to(g.correlation_id, 'UTF8'), missing)
                     || coalesce(int4send(octet_length(g.causation_id)) || convert_to(g.causation_id, 'UTF8'), missing)
                     || int4send(octet_length(g.payload)) || g.payload
                     || coalesce(int4send(octet_length(g.personal)) || g.personal, missing)
                     || coalesce('\x00000010'::bytea || uuid_send(g.key_id), missing))
      INTO contents
      FROM unnest(p_stream, p_event_id, p_type, p_schema_version, p_occurred_at, p_actor, p_subject,
                  p_correlation_id, p_causation_id, p_payload, p_personal, p_key_id)
        AS g (s, event_id, type, schema_version, occurred_at, actor, subject, correlation_id, causation_id,
              payload, personal, key_id);

    SELECT * INTO STRICT last FROM history.head FOR UPDATE;
    -- Under the lock, and by the one clock that all writers share: a moment is a position.
    recorded := greatest(clock_timestamp(), last.recorded_at);
    at := last.position;
    last_hash := last.hash;
    SELECT (SELECT array_agg(i.event_id)
              FROM unnest(p_event_id) AS g (event_id) JOIN history.event_ids i ON i.event_id = g.event_id),
           (SELECT array_agg(coalesce((SELECT v.version FROM history.stream_versions v
                                        WHERE v.stream = g.name ORDER BY v.version DESC LIMIT 1), 0))
              FROM unnest(p_names) AS g (name))
      INTO known, latest;

    FOR b IN 1 .. cardinality(p_writes) LOOP
        first_w := w + 1;
        first_n := n + 1;
        w := w + p_writes[b];
        n := n + p_events[b];
        IF known && p_event_id[first_n:n] THEN
            RETURN QUERY SELECT * FROM history.recognised(
                (SELECT array_agg(p_names[g.s] ORDER BY g.n)
                   FROM unnest(p_write_stream[first_w:w]) WITH ORDINALITY AS g (s, n)),
                (SELECT array_agg(p_names[g.s] ORDER BY g.n)
                   FROM unnest(p_stream[first_n:n]) WITH ORDINALITY AS g (s, n)),
                p_event_id[first_n:n], p_type[first_n:n]);
            CONTINUE;
        END IF;
        present := '{}';
        versions := '{}';
        outcome := 'appended';
        FOR i IN REVERSE w .. first_w LOOP -- the first that conflicts is told
            s := p_write_stream[i];
            versions := latest[s] || versions;
            IF p_expected[i] <> latest[s] THEN
                outcome := 'conflict';
                position := i - first_w + 1;
            END IF;
        END LOOP;
        IF outcome = 'conflict' THEN
            RETURN NEXT;
            CONTINUE;
        END IF;
        FOR i IN first_n .. n LOOP
            s := p_stream[i];
            at := at + 1;
            latest[s] := latest[s] + 1;
            positions[i] := at;
            numbers[i] := latest[s];
            previous[i] := last_hash;
            last_hash := sha256(
                chosen || int8send(at)
                || '\x00000020'::bytea || last_hash
                || '\x00000008'::bytea || timestamptz_send(recorded)
                || '\x00000008'::bytea || int8send(latest[s]) || contents[i]);
            hashes[i] := last_hash;
        END LOOP;
        IF n >= first_n THEN
            FOR i IN first_w .. w LOOP
                versions[i - first_w + 1] := latest[p_write_stream[i]];
            END LOOP;
        END IF;
        position := at;
        RETURN NEXT;
    END LOOP;
    IF at = last.position THEN
        RETURN;
    END IF;

    -- A tenth of a range ahead, so that nobody comes to a position that has no place.
    WHILE at + last.range_size / 10 >= last.ranges_end LOOP
        last.ranges_end := history.make_range(last.ranges_end + 1, last.range_size);
    END LOOP;
    WITH new AS (
        SELECT g.*, p_names[g.s] AS stream
          FROM unnest(positions, p_stream, numbers, p_event_id, p_type, p_schema_version, p_occurred_at, p_actor,
                      p_subject, p_correlation_id, p_causation_id, p_payload, p_personal, p_key_id, previous, hashes)
            AS g (position, s, version, event_id, type, schema_version, occurred_at, actor, subject, correlation_id,
                  causation_id, payload, personal, key_id, previous, hash)
         WHERE g.position IS NOT NULL
    ), new_versions AS (
        INSERT INTO history.stream_versions SELECT new.stream, new.version, new.position FROM new
    ), new_ids AS (
        INSERT INTO history.event_ids SELECT new.event_id, new.position FROM new
    ), new_head AS (
        UPDATE history.head
           SET position = at, hash = last_hash, recorded_at = recorded, ranges_end = last.ranges_end
    )
    INSERT INTO history.events
        SELECT new.position, new.stream, new.version, new.event_id, new.type, new.schema_version, new.occurred_at,
               recorded, new.actor, new.subject, new.correlation_id, new.causation_id, new.payload, new.personal,
               new.key_id, new.previous, new.hash
          FROM new;
END $$;
