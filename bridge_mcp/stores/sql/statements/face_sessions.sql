-- name: face_session(id)
SELECT id, kind, client, body, begun, used FROM face_sessions WHERE id = :id;

-- name: put_face_session(id, kind, client, body, begun, used)
INSERT INTO face_sessions (id, kind, client, body, begun, used)
VALUES (:id, :kind, :client, :body, :begun, :used)
ON CONFLICT (id) DO UPDATE SET client = excluded.client, body = excluded.body, used = excluded.used;

-- name: use_face_session(id, at)
UPDATE face_sessions SET used = :at WHERE id = :id AND used < :at;

-- name: delete_face_session(id)
DELETE FROM face_sessions WHERE id = :id;

-- name: face_sessions_too_many(kind, client, at_most)
-- All but the most recently used ones of a client.
SELECT id FROM face_sessions WHERE kind = :kind AND client = :client ORDER BY used DESC, id LIMIT -1 OFFSET :at_most;

-- name: face_sessions_too_old(kind, idle_since, begun_before)
SELECT id FROM face_sessions WHERE kind = :kind AND (used < :idle_since OR begun < :begun_before);

-- name: face_subscriptions(session)
SELECT uri FROM face_subscriptions WHERE session = :session ORDER BY uri;

-- name: count_face_subscriptions(session)
SELECT count(*) FROM face_subscriptions WHERE session = :session;

-- name: put_face_subscription(session, uri)
INSERT INTO face_subscriptions (session, uri) VALUES (:session, :uri) ON CONFLICT (session, uri) DO NOTHING;

-- name: delete_face_subscription(session, uri)
DELETE FROM face_subscriptions WHERE session = :session AND uri = :uri;

-- name: delete_face_subscriptions(session)
DELETE FROM face_subscriptions WHERE session = :session;

-- name: insert_face_note(session, by, body, at)
INSERT INTO face_notes (session, by, body, at) VALUES (:session, :by, :body, :at);

-- name: face_notes(since, by, seen)
-- What others wrote; `seen` is a JSON list of numbers.
SELECT number, session, by, body FROM face_notes
WHERE at >= :since AND by <> :by
    AND number NOT IN (SELECT CAST(value AS bigint) FROM json_each(:seen))
ORDER BY at, number;

-- name: delete_old_face_notes(before)
DELETE FROM face_notes WHERE at < :before;
