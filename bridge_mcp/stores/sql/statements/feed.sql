-- name: newest_cursor_within(within)
-- The newest event of these channels and chats.
SELECT cursor FROM event_details
WHERE (
        channel IN (SELECT value FROM json_each(:within))
        OR chat IN (SELECT value FROM json_each(:within))
        OR conversation IN (SELECT value FROM json_each(:within))
    )
ORDER BY cursor DESC
LIMIT 1;

-- name: events(after, upto, limit)
SELECT cursor, type, conversation, seq, at, body FROM event_details
WHERE cursor > :after AND cursor <= :upto
ORDER BY cursor
LIMIT :limit;

-- name: events_where(after, upto, limit, types, conversation, within)
-- `types` and `within` are JSON lists; '[]' and '' stand for all. Of `a/b/c`, channel and chat are `a` and `a/b`.
SELECT cursor, type, conversation, seq, at, body FROM event_details
WHERE cursor > :after AND cursor <= :upto
    AND (:types = '[]' OR type IN (SELECT value FROM json_each(:types)))
    AND (:conversation = '' OR conversation = :conversation)
    AND (
        :within = '[]'
        OR channel IN (SELECT value FROM json_each(:within))
        OR chat IN (SELECT value FROM json_each(:within))
        OR conversation IN (SELECT value FROM json_each(:within))
    )
ORDER BY cursor
LIMIT :limit;

-- name: consumer_cursor(name)
SELECT cursor FROM consumers WHERE name = :name;

-- name: acknowledge_cursor(name, cursor)
INSERT INTO consumers (name, cursor) VALUES (:name, :cursor)
ON CONFLICT (name) DO UPDATE SET cursor = max(consumers.cursor, excluded.cursor);

-- name: delete_events(before, limit)
DELETE FROM events
WHERE cursor IN (SELECT cursor FROM events WHERE cursor < :before ORDER BY cursor LIMIT :limit);
