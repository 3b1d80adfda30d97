-- name: cursor_span()
-- The newest cursor ever given, and the oldest that is still there (NULL: none is).
SELECT
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0),
    (SELECT min(cursor) FROM events);

-- name: insert_event(type, conversation, at, body)
INSERT INTO events (type, conversation, at, body) VALUES (:type, :conversation, :at, :body);
