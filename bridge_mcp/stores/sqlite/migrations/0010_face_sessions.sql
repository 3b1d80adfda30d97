-- Sessions of clients and browsers, which any process on the store can serve, and what these processes tell each other.

CREATE TABLE face_sessions (
    id TEXT PRIMARY KEY,                -- a hash of what its client shows
    kind TEXT NOT NULL,                 -- mcp or console
    client TEXT NOT NULL,
    body TEXT NOT NULL,                 -- JSON
    begun REAL NOT NULL,
    used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX face_sessions_by_client ON face_sessions (kind, client, used);
CREATE TABLE face_subscriptions (
    session TEXT NOT NULL,
    uri TEXT NOT NULL,
    PRIMARY KEY (session, uri)
) WITHOUT ROWID;
CREATE TABLE face_notes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    session TEXT NOT NULL,
    by TEXT NOT NULL,                   -- the process that wrote it
    body TEXT NOT NULL,                 -- a message of the session's client; '' for: look at its subscriptions, and whether it has ended
    at REAL NOT NULL
);
CREATE INDEX face_notes_by_time ON face_notes (at);
