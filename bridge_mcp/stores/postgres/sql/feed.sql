-- name: cursor_span()
-- The newest cursor ever given, and the oldest that is still there (NULL: none is).
SELECT (SELECT head FROM feed), (SELECT min(cursor) FROM events);

-- name: newest_cursor_within(within)
-- The newest event of these channels and chats.
SELECT cursor FROM event_details
WHERE (
        channel IN (SELECT jsonb_array_elements_text(CAST(:within AS jsonb)))
        OR chat IN (SELECT jsonb_array_elements_text(CAST(:within AS jsonb)))
        OR conversation IN (SELECT jsonb_array_elements_text(CAST(:within AS jsonb)))
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
    AND (:types = '[]' OR type IN (SELECT jsonb_array_elements_text(CAST(:types AS jsonb))))
    AND (:conversation = '' OR conversation = :conversation)
    AND (
        :within = '[]'
        OR channel IN (SELECT jsonb_array_elements_text(CAST(:within AS jsonb)))
        OR chat IN (SELECT jsonb_array_elements_text(CAST(:within AS jsonb)))
        OR conversation IN (SELECT jsonb_array_elements_text(CAST(:within AS jsonb)))
    )
ORDER BY cursor
LIMIT :limit;

-- name: insert_events(count, types, conversations, seqs, ats, bodies)
-- The lock on the feed's row is held to the commit: whoever reads a cursor reads all events before it.
WITH taken AS (UPDATE feed SET head = head + :count RETURNING head - :count AS before)
INSERT INTO events (cursor, type, conversation, seq, at, body)
SELECT taken.before + told.number, told.type, told.conversation, told.seq, told.at, told.body
FROM taken, unnest(
    CAST(:types AS text[]), CAST(:conversations AS text[]), CAST(:seqs AS bigint[]), CAST(:ats AS double precision[]),
    CAST(:bodies AS text[])
) WITH ORDINALITY AS told (type, conversation, seq, at, body, number);

-- name: consumer_cursor(name)
SELECT cursor FROM consumers WHERE name = :name;

-- name: acknowledge_cursor(name, cursor)
INSERT INTO consumers (name, cursor) VALUES (:name, :cursor)
ON CONFLICT (name) DO UPDATE SET cursor = greatest(consumers.cursor, excluded.cursor);

-- name: delete_events(before, limit)
DELETE FROM events
WHERE cursor IN (SELECT cursor FROM events WHERE cursor < :before ORDER BY cursor LIMIT :limit);
