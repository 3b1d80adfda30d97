-- name: set_topic_title(channel, chat, title)
-- Replacing gives a new number: the row counts as the newest.
INSERT INTO topic_titles (channel, chat, title) VALUES (:channel, :chat, :title)
ON CONFLICT (channel, chat) DO UPDATE SET title = excluded.title, number = DEFAULT;

-- name: set_first_message(channel, subject, chat, at, bare, topic, heard)
INSERT INTO first_messages (channel, subject, chat, at, bare, topic, heard)
VALUES (:channel, :subject, :chat, :at, :bare, :topic, :heard)
ON CONFLICT (channel, subject) DO UPDATE
SET chat = excluded.chat, at = excluded.at, bare = excluded.bare, topic = excluded.topic, heard = excluded.heard,
    number = DEFAULT;

-- name: set_undelivered(conversation, reason)
INSERT INTO undelivered (conversation, reason) VALUES (:conversation, :reason)
ON CONFLICT (conversation) DO UPDATE SET reason = excluded.reason, number = DEFAULT;
