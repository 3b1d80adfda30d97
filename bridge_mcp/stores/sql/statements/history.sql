-- name: conversation(name)
SELECT * FROM conversation_details
WHERE name = :name;

-- name: conversations_of_channel(channel, last_at, id, limit)
-- One channel's conversations before a place in the list.
SELECT * FROM conversation_details
WHERE channel = :channel AND (last_at, id) < (:last_at, :id)
ORDER BY last_at DESC, id DESC
LIMIT :limit;

-- name: conversations_of_chat(name, below, beyond)
-- One chat's conversations: its own, and those of its topics, whose names lie between `name/` and `name0`.
SELECT * FROM conversation_details
WHERE name = :name OR (name > :below AND name < :beyond)
ORDER BY last_at DESC, id DESC;

-- name: message(name, seq)
SELECT * FROM message_details
WHERE name = :name AND seq = :seq;

-- name: scheduled_entries(first, end, limit)
-- The logs whose names lie between these and that wait for their time, each with its first entry.
SELECT c.name, l.body FROM conversations AS c
JOIN log AS l ON l.conversation = c.id AND l.seq = 0
WHERE c.name >= :first AND c.name < :end AND c.unsettled IS NOT NULL
ORDER BY c.name LIMIT :limit;
