-- What stood on one board under names like `offset:family` gets tables of its own. What is left tells how the engine is.

CREATE TABLE channel_offsets (
    channel TEXT PRIMARY KEY,
    "offset" INTEGER NOT NULL           -- how far it has read its platform's stream of updates
) WITHOUT ROWID;
INSERT INTO channel_offsets (channel, "offset")
SELECT substr(name, length('offset:') + 1), CAST(body AS INTEGER) FROM board
WHERE name LIKE 'offset:%' AND CASE WHEN json_valid(body) THEN json_type(body) = 'integer' END;

-- Chats that got another id on their platform: conversations keep the first one.
CREATE TABLE moved_chats (
    channel TEXT NOT NULL,
    first_id TEXT NOT NULL,
    current_id TEXT NOT NULL,
    PRIMARY KEY (channel, first_id)
) WITHOUT ROWID;
CREATE INDEX moved_chats_by_current_id ON moved_chats (channel, current_id);
INSERT OR REPLACE INTO moved_chats (channel, first_id, current_id)
SELECT substr(b.name, length('moved:') + 1), e.key, e.value
FROM (SELECT name, CASE WHEN json_valid(body) THEN body ELSE '{}' END AS body FROM board WHERE name LIKE 'moved:%') AS b
JOIN json_each(b.body) AS e
WHERE e.type = 'text';

-- Beginning with the one that was set longest ago, here and in the next two.
CREATE TABLE topic_titles (
    number INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    chat TEXT NOT NULL,
    title TEXT NOT NULL,
    UNIQUE (channel, chat)
);
CREATE INDEX topic_titles_by_channel ON topic_titles (channel);
INSERT OR REPLACE INTO topic_titles (channel, chat, title)
SELECT substr(b.name, length('topics:') + 1), e.key, e.value
FROM (SELECT name, CASE WHEN json_valid(body) THEN body ELSE '{}' END AS body FROM board WHERE name LIKE 'topics:%') AS b
JOIN json_each(b.body) AS e
WHERE e.type = 'text'
ORDER BY b.name, e.id;

-- What strangers wrote last, until they are let in.
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
INSERT OR REPLACE INTO first_messages (channel, subject, chat, at, bare, topic, heard)
SELECT
    substr(b.name, length('strangers:') + 1), e.key, json_extract(e.value, '$.chat'), json_extract(e.value, '$.at'),
    coalesce(json_extract(e.value, '$.bare'), ''), coalesce(json_extract(e.value, '$.topic'), ''),
    coalesce(json_extract(e.value, '$.heard'), '')
FROM (SELECT name, CASE WHEN json_valid(body) THEN body ELSE '{}' END AS body FROM board WHERE name LIKE 'strangers:%') AS b
JOIN json_each(b.body) AS e
WHERE CASE WHEN e.type = 'object' THEN
    json_type(e.value, '$.chat') = 'text' AND json_type(e.value, '$.at') IN ('real', 'integer')
END
ORDER BY b.name, e.id;

-- Conversations whose last message did not go out.
CREATE TABLE undelivered (
    number INTEGER PRIMARY KEY,
    conversation TEXT NOT NULL UNIQUE,
    reason TEXT NOT NULL
);
INSERT OR REPLACE INTO undelivered (conversation, reason)
SELECT e.key, e.value
FROM (SELECT CASE WHEN json_valid(body) THEN body ELSE '{}' END AS body FROM board WHERE name = 'undelivered') AS b
JOIN json_each(b.body) AS e
WHERE e.type = 'text'
ORDER BY e.id;

-- The definitions of tools, and what else a server said, as they were seen before; and the changes that owners accept.
CREATE TABLE tool_pins (
    subject TEXT PRIMARY KEY,
    body TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO tool_pins (subject, body)
SELECT substr(name, length('pins:') + 1), body FROM board WHERE name LIKE 'pins:%';

CREATE TABLE accepted_tools (
    tool TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    by TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO accepted_tools (tool, digest, by)
SELECT substr(name, length('accepted:') + 1), json_extract(body, '$.digest'), coalesce(json_extract(body, '$.by'), '')
FROM board
WHERE name LIKE 'accepted:%' AND CASE WHEN json_valid(body) THEN json_type(body, '$.digest') = 'text' END;

-- Random keys that all processes on this store share.
CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO secrets (name, value)
SELECT 'task handles', json_extract(body, '$') FROM board
WHERE name = 'seals.key' AND CASE WHEN json_valid(body) THEN json_type(body) = 'text' END;

-- How the engine is, for display: it puts all of this up again.
CREATE TABLE engine_status (
    name TEXT PRIMARY KEY,
    body TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO engine_status (name, body)
SELECT name, body FROM board
WHERE name IN ('engine', 'settings', 'channels', 'tools', 'models', 'complaints', 'troubles', 'reload', 'written', 'checked');

DROP TABLE board;
