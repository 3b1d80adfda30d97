-- name: cursor_span()
-- The newest cursor ever given, and the oldest that is still there (NULL: none is).
SELECT
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0),
    (SELECT min(cursor) FROM events);

-- name: newest_cursor_within(within)
-- The newest event of these channels and chats.
SELECT e.cursor
FROM events AS e
WHERE (
        substr(e.conversation, 1, instr(e.conversation || '/', '/') - 1) IN (SELECT value FROM json_each(:within))
        OR substr(e.conversation, 1, instr(e.conversation || '/', '/') + instr(substr(e.conversation, instr(e.conversation || '/', '/') + 1) || '/', '/') - 1)
            IN (SELECT value FROM json_each(:within))
        OR e.conversation IN (SELECT value FROM json_each(:within))
    )
ORDER BY e.cursor DESC
LIMIT 1;

-- name: events(after, upto, limit)
SELECT e.cursor, e.type, e.conversation, e.seq, coalesce(e.at, l.at), coalesce(e.body, l.body)
FROM events AS e
LEFT JOIN conversations AS c ON c.name = e.conversation
LEFT JOIN log AS l ON l.conversation = c.id AND l.seq = e.seq
WHERE e.cursor > :after AND e.cursor <= :upto
ORDER BY e.cursor
LIMIT :limit;

-- name: events_where(after, upto, limit, types, conversation, within)
-- `types` and `within` are JSON lists; '[]' and '' stand for all. Of `a/b/c`, channel and chat are `a` and `a/b`.
SELECT e.cursor, e.type, e.conversation, e.seq, coalesce(e.at, l.at), coalesce(e.body, l.body)
FROM events AS e
LEFT JOIN conversations AS c ON c.name = e.conversation
LEFT JOIN log AS l ON l.conversation = c.id AND l.seq = e.seq
WHERE e.cursor > :after AND e.cursor <= :upto
    AND (:types = '[]' OR e.type IN (SELECT value FROM json_each(:types)))
    AND (:conversation = '' OR e.conversation = :conversation)
    AND (
        :within = '[]'
        OR substr(e.conversation, 1, instr(e.conversation || '/', '/') - 1) IN (SELECT value FROM json_each(:within))
        OR substr(e.conversation, 1, instr(e.conversation || '/', '/') + instr(substr(e.conversation, instr(e.conversation || '/', '/') + 1) || '/', '/') - 1)
            IN (SELECT value FROM json_each(:within))
        OR e.conversation IN (SELECT value FROM json_each(:within))
    )
ORDER BY e.cursor
LIMIT :limit;

-- name: insert_event(type, conversation, at, body)
INSERT INTO events (type, conversation, at, body) VALUES (:type, :conversation, :at, :body);

-- name: consumer_cursor(name)
SELECT cursor FROM consumers WHERE name = :name;

-- name: acknowledge_cursor(name, cursor)
INSERT INTO consumers (name, cursor) VALUES (:name, :cursor)
ON CONFLICT (name) DO UPDATE SET cursor = max(cursor, excluded.cursor);

-- name: delete_events(before, limit)
DELETE FROM events
WHERE cursor IN (SELECT cursor FROM events WHERE cursor < :before ORDER BY cursor LIMIT :limit);
