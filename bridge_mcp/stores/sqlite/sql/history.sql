-- name: channels()
-- Every channel once, by stepping through the index.
WITH RECURSIVE step (channel) AS (
    SELECT min(channel) FROM conversations
    UNION ALL
    SELECT (SELECT min(c.channel) FROM conversations AS c WHERE c.channel > step.channel)
    FROM step WHERE step.channel IS NOT NULL
)
SELECT channel FROM step WHERE channel IS NOT NULL;

-- name: conversations_of_channel_like(channel, last_at, id, limit, query)
-- As before, for a part of name or title; `fold` is str.casefold.
SELECT * FROM conversation_details
WHERE channel = :channel AND (last_at, id) < (:last_at, :id)
    AND instr(fold(name || char(10) || title), :query) > 0
ORDER BY last_at DESC, id DESC
LIMIT :limit;

-- name: messages_before(name, before, limit)
SELECT * FROM message_details
WHERE name = :name AND seq < :before AND kind = 'message'
ORDER BY seq DESC
LIMIT :limit;

-- name: open_questions(name, now, limit)
-- Questions that can still be answered, by the clock; the newest first. CROSS JOIN: the few open ones are looked up first.
SELECT m.* FROM (
    SELECT * FROM (
        SELECT o.id FROM messages AS o
        WHERE o.conversation = (SELECT id FROM conversations WHERE name = :name) AND o.asks = 1 AND o.expires_at = 0
        ORDER BY o.id DESC LIMIT :limit
    )
    UNION ALL
    SELECT * FROM (
        SELECT o.id FROM messages AS o
        WHERE o.conversation = (SELECT id FROM conversations WHERE name = :name) AND o.asks = 1 AND o.expires_at > :now
        ORDER BY o.expires_at DESC LIMIT :limit
    )
) AS open
CROSS JOIN message_details AS m ON m.id = open.id
ORDER BY m.seq DESC
LIMIT :limit;

-- name: fts_progress()
-- How far the full-text index has come, and how far the messages have.
SELECT (SELECT upto FROM indexed), (SELECT coalesce(max(id), 0) FROM messages);

-- name: fts_insert_messages(after, upto)
-- Read from the JSON as it is, not through the codec: an append must not fail because of what another one wrote.
-- SQLite ends a text at its first NUL, so NUL becomes a space. `terms` is fts.indexed. The two statements below hold the
-- same expressions: what the index gives up must be what it took in.
INSERT INTO words (rowid, text, place)
SELECT
    m.id,
    CASE
        WHEN m.kind = 'message' AND json_valid(coalesce(e.body, l.body))
        THEN terms(coalesce(json_extract(replace(coalesce(e.body, l.body), '\u0000', '\u0020'), '$.text'), ''))
        ELSE ''
    END,
    'c' || c.id || ' h' || hex(c.channel)
FROM messages AS m
JOIN conversations AS c ON c.id = m.conversation
JOIN log AS l ON l.conversation = m.conversation AND l.seq = m.seq
LEFT JOIN log AS e ON e.conversation = m.conversation AND e.seq = m.edited
WHERE m.id > :after AND m.id <= :upto
ORDER BY m.id;

-- name: fts_delete_message(id, seq)
-- A message that is in the index is about to get another text: the index gives up the old one
INSERT INTO words (words, rowid, text, place)
SELECT
    'delete',
    m.id,
    CASE
        WHEN m.kind = 'message' AND json_valid(coalesce(e.body, l.body))
        THEN terms(coalesce(json_extract(replace(coalesce(e.body, l.body), '\u0000', '\u0020'), '$.text'), ''))
        ELSE ''
    END,
    'c' || c.id || ' h' || hex(c.channel)
FROM messages AS m
JOIN conversations AS c ON c.id = m.conversation
JOIN log AS l ON l.conversation = m.conversation AND l.seq = m.seq
LEFT JOIN log AS e ON e.conversation = m.conversation AND e.seq = m.edited
WHERE m.conversation = :id AND m.seq = :seq AND m.id <= (SELECT upto FROM indexed);

-- name: fts_insert_message(id, seq)
-- And those of the new text come.
INSERT INTO words (rowid, text, place)
SELECT
    m.id,
    CASE
        WHEN m.kind = 'message' AND json_valid(coalesce(e.body, l.body))
        THEN terms(coalesce(json_extract(replace(coalesce(e.body, l.body), '\u0000', '\u0020'), '$.text'), ''))
        ELSE ''
    END,
    'c' || c.id || ' h' || hex(c.channel)
FROM messages AS m
JOIN conversations AS c ON c.id = m.conversation
JOIN log AS l ON l.conversation = m.conversation AND l.seq = m.seq
LEFT JOIN log AS e ON e.conversation = m.conversation AND e.seq = m.edited
WHERE m.conversation = :id AND m.seq = :seq AND m.id <= (SELECT upto FROM indexed);

-- name: fts_set_progress(upto)
UPDATE indexed SET upto = :upto;

-- name: search_messages(match, before, limit)
SELECT m.* FROM words AS w
JOIN message_details AS m ON m.id = w.rowid
WHERE w.words MATCH :match AND w.rowid < :before
ORDER BY w.rowid DESC
LIMIT :limit;
