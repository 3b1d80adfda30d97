-- name: begin_sending(name, seq)
UPDATE messages
SET status = 'sending', attempts = attempts + 1
WHERE conversation = (SELECT id FROM conversations WHERE name = :name) AND seq = :seq AND status = 'queued';

-- name: postpone_message(name, seq, until, reason)
UPDATE messages
SET status = 'queued', due_at = :until, reason = :reason
WHERE conversation = (SELECT id FROM conversations WHERE name = :name) AND seq = :seq
    AND status IN ('queued', 'sending');

-- name: set_message_progress(name, seq, parts, platform_ids)
UPDATE messages
SET parts = :parts, platform_ids = :platform_ids
WHERE conversation = (SELECT id FROM conversations WHERE name = :name) AND seq = :seq AND status = 'sending';

-- name: count_pending_messages(within)
-- `within` is a JSON list of channels and chats; '[]' stands for all.
SELECT count(*)
FROM messages AS m
JOIN conversation_places AS c ON c.id = m.conversation
WHERE m.status IN ('queued', 'sending')
    AND (
        :within = '[]'
        OR c.channel IN (SELECT value FROM json_each(:within))
        OR c.chat IN (SELECT value FROM json_each(:within))
        OR c.name IN (SELECT value FROM json_each(:within))
    );

-- name: messages_being_sent()
SELECT * FROM message_details
WHERE id IN (SELECT id FROM messages WHERE status IN ('queued', 'sending') AND status = 'sending')
ORDER BY id;

-- name: seq_of_platform_id(name, id)
SELECT p.seq FROM platform_ids AS p JOIN conversations AS c ON c.id = p.conversation
WHERE c.name = :name AND p.id = :id;

-- name: seq_of_key_in(name, key)
SELECT l.seq FROM log AS l JOIN conversations AS c ON c.id = l.conversation
WHERE c.name = :name AND l.key = :key;

-- name: key_of_entry(name, seq)
SELECT l.key FROM log AS l JOIN conversations AS c ON c.id = l.conversation
WHERE c.name = :name AND l.seq = :seq;

-- name: answer_of_question(name, seq)
SELECT m.answered FROM messages AS m JOIN conversations AS c ON c.id = m.conversation
WHERE c.name = :name AND m.seq = :seq;

-- name: button_row(token)
SELECT c.name, b.seq FROM buttons AS b JOIN conversations AS c ON c.id = b.conversation WHERE b.token = :token;
