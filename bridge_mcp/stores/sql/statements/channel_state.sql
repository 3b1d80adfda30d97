-- name: channel_offset(channel)
SELECT "offset" FROM channel_offsets WHERE channel = :channel;

-- name: set_channel_offset(channel, offset)
INSERT INTO channel_offsets (channel, "offset") VALUES (:channel, :offset)
ON CONFLICT (channel) DO UPDATE SET "offset" = excluded."offset";

-- name: first_chat_id(channel, chat)
SELECT first_id FROM moved_chats WHERE channel = :channel AND current_id = :chat ORDER BY first_id LIMIT 1;

-- name: current_chat_id(channel, chat)
SELECT current_id FROM moved_chats WHERE channel = :channel AND first_id = :chat;

-- name: move_chat(channel, first_id, current_id)
INSERT INTO moved_chats (channel, first_id, current_id) VALUES (:channel, :first_id, :current_id)
ON CONFLICT (channel, first_id) DO UPDATE SET current_id = excluded.current_id;

-- name: topic_title(channel, chat)
SELECT title FROM topic_titles WHERE channel = :channel AND chat = :chat;

-- name: delete_oldest_topic_titles(channel, at_most)
DELETE FROM topic_titles WHERE number IN (
    SELECT number FROM topic_titles WHERE channel = :channel ORDER BY number DESC LIMIT -1 OFFSET :at_most
);

-- name: first_message(channel, subject)
SELECT channel, subject, chat, at, bare, topic, heard FROM first_messages
WHERE channel = :channel AND subject = :subject;

-- name: delete_oldest_first_messages(channel, at_most)
DELETE FROM first_messages WHERE number IN (
    SELECT number FROM first_messages WHERE channel = :channel ORDER BY number DESC LIMIT -1 OFFSET :at_most
);

-- name: delete_first_message(channel, subject)
DELETE FROM first_messages WHERE channel = :channel AND subject = :subject;

-- name: undelivered()
SELECT conversation, reason FROM undelivered ORDER BY number;

-- name: undelivered_reason(conversation)
SELECT reason FROM undelivered WHERE conversation = :conversation;

-- name: delete_oldest_undelivered(at_most)
DELETE FROM undelivered WHERE number IN (SELECT number FROM undelivered ORDER BY number DESC LIMIT -1 OFFSET :at_most);

-- name: delete_undelivered(conversation)
DELETE FROM undelivered WHERE conversation = :conversation;
