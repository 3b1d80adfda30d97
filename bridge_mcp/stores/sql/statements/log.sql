-- name: conversation_row(name)
-- What an append must know of the conversation.
SELECT id, head, at, calling, woken, wake_at, due_since, title, responder, messages, last_at, last_text,
    tip, unsettled, heard, cleared
FROM conversations
WHERE name = :name;

-- name: conversation_head(name)
SELECT id, head FROM conversations WHERE name = :name;

-- name: conversation_unsettled(name)
SELECT unsettled FROM conversations WHERE name = :name;

-- name: entries_of_tail(name, limit, most)
SELECT l.seq, l.at, l.body FROM conversations AS c JOIN log AS l ON l.conversation = c.id
WHERE c.name = :name AND l.seq >= CASE WHEN c.unsettled < c.head - :limit THEN c.unsettled ELSE c.head - :limit END
ORDER BY l.seq LIMIT :most;

-- name: conversation_cleared(name)
SELECT cleared FROM conversations WHERE name = :name;

-- name: entries_after(name, after, most)
SELECT seq, at, body FROM log
WHERE conversation = (SELECT id FROM conversations WHERE name = :name) AND seq > :after
ORDER BY seq LIMIT :most;

-- name: last_entries(first, end)
-- Of the conversations whose names lie between these.
SELECT c.name, l.body
FROM conversations AS c
JOIN log AS l ON l.conversation = c.id AND l.seq = c.head - 1
WHERE c.name >= :first AND c.name < :end;

-- name: entries_between(id, first, head)
SELECT seq, at, body FROM log WHERE conversation = :id AND seq >= :first AND seq < :head ORDER BY seq;

-- name: seq_of_key(id, key)
SELECT seq FROM log WHERE conversation = :id AND key = :key;

-- name: entry_of_key(name, key)
SELECT l.seq, l.at, l.body
FROM conversations AS c
JOIN log AS l ON l.conversation = c.id
WHERE c.name = :name AND l.key = :key;

-- name: tool_of_approval(approval)
SELECT tool FROM approvals WHERE id = :approval;

-- name: wake_conversations_waiting_for(tool, now)
-- A grant may settle what waits for a verdict, wherever it was asked.
UPDATE conversations SET wake_at = 0, due_since = :now
WHERE id IN (SELECT conversation FROM approvals WHERE status = 'waiting' AND tool = :tool)
    AND (wake_at IS NULL OR wake_at > 0);

-- name: waits_for_verdict(tool)
SELECT EXISTS (SELECT 1 FROM approvals WHERE status = 'waiting' AND tool = :tool);
