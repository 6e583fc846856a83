-- The customers' keys, version 1: in the database of the history, or in one of their own (RINGBACK_KEYS_POSTGRES_URL), so
-- that a backup of the one does not bring back the other. Nothing here refers to a table of the history.

CREATE SCHEMA keys;
COMMENT ON SCHEMA keys IS 'A key per customer, wrapped by the master key: destroying one makes its customer''s data unreadable.';

-- Which version of these tables this is.
CREATE TABLE keys.tables_version (version integer PRIMARY KEY);
INSERT INTO keys.tables_version VALUES (1);

-- The master keys that have been, by name (a hash). The current one wraps every key that is made.
CREATE TABLE keys.masters (
    master_id    text PRIMARY KEY,
    current      boolean NOT NULL,
    current_from timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX one_current_master ON keys.masters (current) WHERE current;

CREATE TABLE keys.customer_keys (
    key_id       uuid PRIMARY KEY,
    subject      text NOT NULL,
    wrapped      bytea,
    master_id    text REFERENCES keys.masters,
    created_at   timestamptz NOT NULL,
    destroyed_at timestamptz,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL)),
    CHECK ((wrapped IS NULL) = (master_id IS NULL))
);
-- One living key per customer, whatever races.
CREATE UNIQUE INDEX one_living_key ON keys.customer_keys (subject) WHERE wrapped IS NOT NULL;
-- What a rotation has still to do.
CREATE INDEX keys_by_master ON keys.customer_keys (master_id, key_id) WHERE wrapped IS NOT NULL;
