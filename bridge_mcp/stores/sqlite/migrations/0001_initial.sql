-- The logs, and beside each the rows that are computed from it (core/projections.py) in the transaction that appends.

-- What an append must know of the log before it, and what lists show. `name` is the conversation's address.
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
);
CREATE INDEX conversations_due_now ON conversations (due_since) WHERE wake_at = 0;
CREATE INDEX conversations_due_later ON conversations (wake_at) WHERE wake_at > 0;
CREATE INDEX conversations_listed ON conversations (channel, last_at);

-- Clustered by conversation: a load reads neighbours.
CREATE TABLE log (
    conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at REAL NOT NULL,
    key TEXT,                           -- at most one entry of a conversation has it
    body TEXT NOT NULL,                 -- core/codec.py
    link BLOB NOT NULL,                 -- core/hash_chain.py
    PRIMARY KEY (conversation, seq)
) WITHOUT ROWID;
CREATE UNIQUE INDEX log_keys ON log (conversation, key) WHERE key IS NOT NULL;

-- Which entries are messages, and how those going out stand; the rest of a message is read from its entry.
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
    edited INTEGER,                     -- seq of the entry with its latest text
    UNIQUE (conversation, seq)
);
CREATE INDEX messages_pending ON messages (conversation, seq, status, due_at) WHERE status IN ('queued', 'sending');
CREATE INDEX messages_asking ON messages (conversation, seq) WHERE asks = 1;

-- What a platform calls the messages we sent, and the buttons below them.
CREATE TABLE platform_ids (
    conversation INTEGER NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (conversation, id)
) WITHOUT ROWID;
CREATE TABLE buttons (
    token TEXT PRIMARY KEY,
    conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX buttons_by_conversation ON buttons (conversation);

-- The words of messages, by message id. `place` holds a word for the conversation and one for the channel, so that a
-- search within them need not look at what was said elsewhere. The texts themselves are in the log.
CREATE VIRTUAL TABLE words USING fts5 (
    text, place, content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
);
-- How far the index has come; see appends.py for when it is brought up to date.
CREATE TABLE indexed (upto INTEGER NOT NULL);
INSERT INTO indexed (upto) VALUES (0);

-- What the feed tells: of a log entry by its place, of anything else by a body of its own.
CREATE TABLE events (
    cursor INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    conversation TEXT NOT NULL,
    seq INTEGER,
    at REAL,
    body TEXT,
    CHECK ((seq IS NULL) = (body IS NOT NULL) AND (at IS NULL) = (body IS NULL))
);
CREATE TABLE consumers (
    name TEXT PRIMARY KEY,
    cursor INTEGER NOT NULL
) WITHOUT ROWID;

-- Calls that wait, or waited, for a verdict: where they were asked, and where they were judged.
CREATE TABLE approvals (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    conversation INTEGER NOT NULL,
    tool TEXT NOT NULL,
    asked INTEGER NOT NULL,
    judged INTEGER,
    status TEXT NOT NULL
);
CREATE INDEX approvals_by_status ON approvals (status);
CREATE INDEX approvals_by_conversation ON approvals (conversation);

-- What models took, in sums by day of UTC: of a conversation, of a channel, and ('') of the bridge.
CREATE TABLE spending (
    scope TEXT NOT NULL,
    day INTEGER NOT NULL,               -- since 1970
    calls INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    nano_usd INTEGER NOT NULL,          -- of the calls whose price is known
    unpriced INTEGER NOT NULL,          -- calls whose price is not
    latency_ms INTEGER NOT NULL,
    PRIMARY KEY (scope, day)
) WITHOUT ROWID;

CREATE TABLE pairings (
    channel TEXT NOT NULL,
    subject TEXT NOT NULL,
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    by TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (channel, subject)
) WITHOUT ROWID;
CREATE TABLE pairing_requests (
    code TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    subject TEXT NOT NULL,
    name TEXT NOT NULL,
    at REAL NOT NULL,
    expires_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX pairing_requests_by_channel ON pairing_requests (channel, subject);

-- Ids are never used again: the log names the grant that let a call run.
CREATE TABLE grants (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tool TEXT NOT NULL,
    conversation TEXT NOT NULL,
    arguments TEXT NOT NULL,
    expires_at REAL NOT NULL,
    by TEXT NOT NULL,
    created_at REAL NOT NULL
);

-- Who may come over HTTP, beside those of the configuration. Of a token only the hash is kept.
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

CREATE TABLE board (
    name TEXT PRIMARY KEY,
    body TEXT NOT NULL
) WITHOUT ROWID;
