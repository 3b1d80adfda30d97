CREATE TABLE accepted_tools (
    tool TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    by TEXT NOT NULL
) WITHOUT ROWID;

CREATE VIEW approval_details AS
SELECT
    c.name, a.asked, asked.at AS asked_at, asked.body AS asked_body,
    a.judged, judged.at AS judged_at, judged.body AS judged_body,
    a.id, a.tool, a.status, a.number, c.channel, c.chat
FROM approvals AS a
JOIN conversation_places AS c ON c.id = a.conversation
JOIN log AS asked ON asked.conversation = a.conversation AND asked.seq = a.asked
LEFT JOIN log AS judged ON judged.conversation = a.conversation AND judged.seq = a.judged;

CREATE TABLE approvals (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    conversation INTEGER NOT NULL,
    tool TEXT NOT NULL,
    asked INTEGER NOT NULL,
    judged INTEGER,
    status TEXT NOT NULL
);

CREATE INDEX approvals_by_conversation ON approvals (conversation);

CREATE INDEX approvals_by_status ON approvals (status);

CREATE TABLE buttons (
    token TEXT PRIMARY KEY,
    conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX buttons_by_conversation ON buttons (conversation);

CREATE TABLE channel_offsets (
    channel TEXT PRIMARY KEY,
    "offset" INTEGER NOT NULL           -- how far it has read its platform's stream of updates
) WITHOUT ROWID;

CREATE TABLE claims (
    conversation TEXT PRIMARY KEY,
    client TEXT NOT NULL,
    until REAL NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;

CREATE INDEX claims_by_client ON claims (client);

CREATE TABLE clients (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    token_hash TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    channels TEXT NOT NULL,
    conversations TEXT NOT NULL,
    by TEXT NOT NULL,
    created_at REAL NOT NULL
);

CREATE TABLE consumers (
    name TEXT PRIMARY KEY,
    cursor INTEGER NOT NULL
) WITHOUT ROWID;

CREATE VIEW conversation_details AS
SELECT
    c.name, c.channel, c.title, c.responder, c.messages, c.last_at, c.last_text, c.head,
    (SELECT max(m.seq) FROM messages AS m WHERE m.conversation = c.id AND m.asks = 1) AS question,
    c.id
FROM conversations AS c;

CREATE VIEW conversation_places AS
SELECT
    id, name, channel,
    substr(name, 1, instr(name || '/', '/') + instr(substr(name, instr(name || '/', '/') + 1) || '/', '/') - 1) AS chat
FROM conversations;

CREATE TABLE conversations (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    head INTEGER NOT NULL,              -- the seq that the next entry gets
    at REAL NOT NULL,                   -- of the last entry
    tip BLOB NOT NULL,                  -- its link (core/hash_chain.py)
    calling INTEGER,                    -- seq of the model call whose outcome is still wanted
    woken INTEGER NOT NULL,             -- seq of the last entry that wakes, -1 for none
    wake_at REAL,                       -- when there is something to do: 0 now, NULL not by itself
    due_since REAL NOT NULL,            -- since when it is due, where wake_at is 0
    title TEXT NOT NULL,
    responder TEXT,
    messages INTEGER NOT NULL,
    last_at REAL NOT NULL,              -- of the last message, or of the first entry before there is one
    last_text TEXT NOT NULL             -- the beginning of the last message
, unsettled INTEGER, heard INTEGER NOT NULL DEFAULT -1, cleared INTEGER NOT NULL DEFAULT -1);

CREATE INDEX conversations_due_later ON conversations (wake_at) WHERE wake_at > 0;

CREATE INDEX conversations_due_now ON conversations (due_since) WHERE wake_at = 0;

CREATE INDEX conversations_listed ON conversations (channel, last_at);

CREATE TABLE engine_status (
    name TEXT PRIMARY KEY,
    body TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE event_callbacks (
    client TEXT NOT NULL,
    url TEXT NOT NULL,
    host TEXT NOT NULL,
    asked_at REAL NOT NULL,
    verified INTEGER NOT NULL,
    PRIMARY KEY (client, url)
) WITHOUT ROWID;

CREATE INDEX event_callbacks_by_host ON event_callbacks (host, asked_at);

CREATE VIEW event_details AS
SELECT
    e.cursor, e.type, e.conversation, e.seq, coalesce(e.at, l.at) AS at, coalesce(e.body, l.body) AS body,
    substr(e.conversation, 1, instr(e.conversation || '/', '/') - 1) AS channel,
    substr(
        e.conversation, 1,
        instr(e.conversation || '/', '/') + instr(substr(e.conversation, instr(e.conversation || '/', '/') + 1) || '/', '/') - 1
    ) AS chat
FROM events AS e
LEFT JOIN conversations AS c ON c.name = e.conversation
LEFT JOIN log AS l ON l.conversation = c.id AND l.seq = e.seq;

CREATE TABLE event_subscriptions (
    id TEXT PRIMARY KEY,
    client TEXT NOT NULL,
    scopes TEXT NOT NULL,               -- JSON: those that it had when it subscribed last
    event TEXT NOT NULL,
    arguments TEXT NOT NULL,            -- JSON
    url TEXT NOT NULL,
    host TEXT NOT NULL,
    secret TEXT NOT NULL,
    old_secret TEXT NOT NULL,           -- signs beside the new one for a while
    secret_at REAL NOT NULL,
    position INTEGER NOT NULL,          -- all events up to this cursor are delivered, or given up
    expires_at REAL NOT NULL,
    failures INTEGER NOT NULL,          -- in a row
    due_at REAL NOT NULL,
    last_error TEXT NOT NULL,
    failed_since REAL NOT NULL,
    delivered_at REAL NOT NULL
) WITHOUT ROWID;

CREATE INDEX event_subscriptions_by_client ON event_subscriptions (client);

CREATE INDEX event_subscriptions_by_host ON event_subscriptions (host);

CREATE TABLE events (
    cursor INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    conversation TEXT NOT NULL,
    seq INTEGER,
    at REAL,
    body TEXT,
    CHECK ((seq IS NULL) = (body IS NOT NULL) AND (at IS NULL) = (body IS NULL))
);

CREATE TABLE face_notes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    session TEXT NOT NULL,
    by TEXT NOT NULL,                   -- the process that wrote it
    body TEXT NOT NULL,                 -- a message of the session's client; '' for: look at its subscriptions, and whether it has ended
    at REAL NOT NULL
);

CREATE INDEX face_notes_by_time ON face_notes (at);

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

CREATE TABLE first_messages (
    number INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    subject TEXT NOT NULL,
    chat TEXT NOT NULL,
    at REAL NOT NULL,
    bare TEXT NOT NULL,
    topic TEXT NOT NULL,
    heard TEXT NOT NULL,                -- core/codec.py
    UNIQUE (channel, subject)
);

CREATE INDEX first_messages_by_channel ON first_messages (channel);

CREATE TABLE forgetting (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,                 -- conversation, person, file or compact
    subject TEXT NOT NULL,
    by TEXT NOT NULL,
    UNIQUE (kind, subject)
);

CREATE TABLE grants (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tool TEXT NOT NULL,
    conversation TEXT NOT NULL,
    arguments TEXT NOT NULL,
    expires_at REAL NOT NULL,
    by TEXT NOT NULL,
    created_at REAL NOT NULL
);

CREATE INDEX grants_by_tool ON grants (tool, conversation, created_at, id);

CREATE INDEX grants_ending ON grants (expires_at) WHERE expires_at > 0;

CREATE TABLE held_back (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,                 -- client or grant
    body TEXT NOT NULL
);

CREATE TABLE indexed (upto INTEGER NOT NULL);

CREATE TABLE log (
    conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at REAL NOT NULL,
    key TEXT,                           -- at most one entry of a conversation has it
    body TEXT NOT NULL,                 -- core/codec.py
    link BLOB NOT NULL, salt BLOB, digest BLOB,                 -- core/hash_chain.py
    PRIMARY KEY (conversation, seq)
) WITHOUT ROWID;

CREATE UNIQUE INDEX log_keys ON log (conversation, key) WHERE key IS NOT NULL;

CREATE VIEW message_details AS
SELECT
    c.name, m.seq, l.at, l.body, m.status, m.reason, m.platform_ids, m.attempts, m.parts, m.asks,
    e.body AS later,                    -- of the entry with its latest text
    m.id, m.kind
FROM messages AS m
JOIN conversations AS c ON c.id = m.conversation
JOIN log AS l ON l.conversation = m.conversation AND l.seq = m.seq
LEFT JOIN log AS e ON e.conversation = m.conversation AND e.seq = m.edited;

CREATE TABLE messages (
    id INTEGER PRIMARY KEY,             -- in the order of the whole bridge
    conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    status TEXT NOT NULL,
    due_at REAL NOT NULL DEFAULT 0,     -- where queued: not to be sent before
    attempts INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    platform_ids TEXT NOT NULL DEFAULT '[]',
    asks INTEGER NOT NULL DEFAULT 0,    -- 1 while it is a question that nobody has answered
    kind TEXT NOT NULL DEFAULT 'message',   -- or edit, reaction: on their way, and in no list
    parts INTEGER NOT NULL DEFAULT 0,   -- how many of its parts went out
    edited INTEGER, expires_at REAL NOT NULL DEFAULT 0, answered INTEGER,                     -- seq of the entry with its latest text
    UNIQUE (conversation, seq)
);

CREATE INDEX messages_asking ON messages (conversation, seq) WHERE asks = 1;

CREATE INDEX messages_open ON messages (conversation, expires_at) WHERE asks = 1;

CREATE INDEX messages_pending ON messages (conversation, seq, status, due_at) WHERE status IN ('queued', 'sending');

CREATE TABLE moved_chats (
    channel TEXT NOT NULL,
    first_id TEXT NOT NULL,
    current_id TEXT NOT NULL,
    PRIMARY KEY (channel, first_id)
) WITHOUT ROWID;

CREATE INDEX moved_chats_by_current_id ON moved_chats (channel, current_id);

CREATE TABLE pairing_requests (
    code TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    subject TEXT NOT NULL,
    name TEXT NOT NULL,
    at REAL NOT NULL,
    expires_at REAL NOT NULL
) WITHOUT ROWID;

CREATE INDEX pairing_requests_by_channel ON pairing_requests (channel, subject);

CREATE TABLE pairings (
    channel TEXT NOT NULL,
    subject TEXT NOT NULL,
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    by TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (channel, subject)
) WITHOUT ROWID;

CREATE TABLE platform_ids (
    conversation INTEGER NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (conversation, id)
) WITHOUT ROWID;

CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE spending (
    scope TEXT NOT NULL,
    day INTEGER NOT NULL,               -- since 1970
    model TEXT NOT NULL,                -- as the entry names it; empty where it names none
    calls INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    nano_usd INTEGER NOT NULL,          -- of the calls whose price is known
    unpriced INTEGER NOT NULL,          -- calls whose price is not
    latency_ms INTEGER NOT NULL,
    PRIMARY KEY (scope, day, model)
) WITHOUT ROWID;

CREATE TABLE tool_pins (
    subject TEXT PRIMARY KEY,
    body TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE topic_titles (
    number INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    chat TEXT NOT NULL,
    title TEXT NOT NULL,
    UNIQUE (channel, chat)
);

CREATE INDEX topic_titles_by_channel ON topic_titles (channel);

CREATE TABLE undelivered (
    number INTEGER PRIMARY KEY,
    conversation TEXT NOT NULL UNIQUE,
    reason TEXT NOT NULL
);

CREATE VIRTUAL TABLE words USING fts5 (
    text, place, content = '', columnsize = 0, detail = column, tokenize = 'ascii'
);

