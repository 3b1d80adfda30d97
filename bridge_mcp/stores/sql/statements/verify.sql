-- name: conversation_names()
SELECT name FROM conversations ORDER BY name;

-- name: all_entries(id)
SELECT seq, at, key, body, link, salt, digest FROM log WHERE conversation = :id ORDER BY seq;

-- name: message_rows(id)
SELECT seq, status, reason, platform_ids FROM messages WHERE conversation = :id ORDER BY seq;

-- name: message_kinds(id)
SELECT seq, kind, edited FROM messages WHERE conversation = :id ORDER BY seq;

-- name: button_rows(id)
SELECT token, seq FROM buttons WHERE conversation = :id ORDER BY token;

-- name: platform_id_rows(id)
SELECT id, seq FROM platform_ids WHERE conversation = :id ORDER BY id;

-- name: question_rows(id)
SELECT seq FROM messages WHERE conversation = :id AND asks = 1;

-- name: approval_rows(id)
SELECT id, tool, asked, judged, status FROM approvals WHERE conversation = :id ORDER BY number;

-- name: event_rows(name)
-- What the feed tells of log entries; '' for all conversations.
SELECT conversation, seq, type FROM events
WHERE seq IS NOT NULL AND (:name = '' OR conversation = :name)
ORDER BY cursor;
