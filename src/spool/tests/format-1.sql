-- A spool as the first version wrote it: one event in each state, one in quarantine.
PRAGMA page_size = 8192;
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA application_id = 0x70677370;
PRAGMA user_version = 1;
CREATE TABLE routes (
    route INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    route INTEGER NOT NULL,
    key INTEGER NOT NULL,
    ordered INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    accepted INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    due INTEGER NOT NULL DEFAULT 0,
    repeats INTEGER NOT NULL DEFAULT 0,
    replays INTEGER NOT NULL DEFAULT 0,
    settled INTEGER,
    status INTEGER
);
CREATE INDEX pending ON events (seq, route, key, ordered, attempts, due) WHERE state = 0;
CREATE INDEX latest ON events (key);
CREATE INDEX settled ON events (state, settled) WHERE settled IS NOT NULL;
CREATE TABLE bodies (
    seq INTEGER PRIMARY KEY,
    body BLOB NOT NULL
);
CREATE TABLE attempts (
    seq INTEGER NOT NULL,
    place INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    status INTEGER,
    outcome TEXT NOT NULL,
    PRIMARY KEY (seq, place)
) WITHOUT ROWID;
CREATE TABLE quarantine (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    route INTEGER NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    method TEXT NOT NULL,
    content_type BLOB,
    query BLOB,
    body BLOB NOT NULL,
    fingerprint BLOB NOT NULL UNIQUE,
    repeats INTEGER NOT NULL DEFAULT 0,
    last_at INTEGER NOT NULL
);
CREATE TABLE heartbeat (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    beats INTEGER NOT NULL
);
INSERT INTO heartbeat VALUES (1, 0);
INSERT INTO routes VALUES (1, 'actions');
INSERT INTO events VALUES
    (1, x'018bcfe568007000800000000000000a', 1, 11, 1, x'0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a',
     1700000000000, 1, 1, 0, 2, 0, 1700000001000, 200),
    (2, x'018bcfe568007000800000000000000b', 1, 12, 1, x'0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b',
     1700000000000, 2, 2, 0, 0, 1, 1700000002000, 404),
    (3, x'018bcfe568007000800000000000000c', 1, 13, 1, x'0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c',
     1700000000000, 0, 1, 1700000003000, 0, 0, NULL, 500);
INSERT INTO bodies VALUES
    (1, CAST('{"n":"1"}' AS BLOB)), (2, CAST('{"n":"2"}' AS BLOB)), (3, CAST('{"n":"3"}' AS BLOB));
INSERT INTO attempts VALUES
    (2, 1, 1, 1700000001500, 503, 'answered 503 Service Unavailable'),
    (2, 2, 2, 1700000002000, 404, 'answered 404 Not Found'),
    (3, 1, 1, 1700000001500, 500, 'answered 500 Internal Server Error');
INSERT INTO quarantine VALUES
    (1, x'018bcfe568007000800000000000000d', 1, 1700000000000, 'neither this nor that', 'POST',
     NULL, NULL, x'7b', x'0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d', 3, 1700000009000);
