-- name: set_topic_title(channel, chat, title)
-- Replacing gives a new number: the row counts as the newest.
INSERT OR REPLACE INTO topic_titles (channel, chat, title) VALUES (:channel, :chat, :title);

-- name: set_first_message(channel, subject, chat, at, bare, topic, heard)
INSERT OR REPLACE INTO first_messages (channel, subject, chat, at, bare, topic, heard)
VALUES (:channel, :subject, :chat, :at, :bare, :topic, :heard);

-- name: set_undelivered(conversation, reason)
INSERT OR REPLACE INTO undelivered (conversation, reason) VALUES (:conversation, :reason);
