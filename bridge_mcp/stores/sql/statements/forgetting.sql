-- name: is_forgotten(id, seq)
SELECT digest IS NOT NULL FROM log WHERE conversation = :id AND seq = :seq;

-- name: entries_to_forget(id, after, limit)
SELECT seq, at, body, salt, digest FROM log WHERE conversation = :id AND seq > :after ORDER BY seq LIMIT :limit;

-- name: forget_entry(id, seq, key, body, digest)
UPDATE log SET key = :key, body = :body, salt = NULL, digest = :digest WHERE conversation = :id AND seq = :seq;

-- name: messages_with_text_of(id, seqs)
-- The messages whose text stands in one of these entries; `seqs` is a JSON list.
SELECT seq FROM messages
WHERE conversation = :id
    AND (seq IN (SELECT CAST(value AS bigint) FROM json_each(:seqs)) OR edited IN (SELECT CAST(value AS bigint) FROM json_each(:seqs)));

-- name: events_of_conversation(name)
SELECT cursor, seq, type FROM events WHERE conversation = :name AND seq IS NOT NULL ORDER BY cursor;

-- name: delete_own_events_of(name)
-- Those that belong to no entry.
DELETE FROM events WHERE conversation = :name AND body IS NOT NULL;

-- name: delete_pairing_events(channel, subject)
DELETE FROM events
WHERE conversation = '' AND body IS NOT NULL
    AND json_extract(body, '$.channel') = :channel AND json_extract(body, '$.subject') = :subject;

-- name: delete_grant_events_in(conversation)
DELETE FROM events
WHERE conversation = '' AND body IS NOT NULL AND type = 'grant.made' AND json_extract(body, '$.where') = :conversation;

-- name: delete_grant_events_by(by)
DELETE FROM events
WHERE conversation = '' AND body IS NOT NULL AND type IN ('grant.made', 'grant.revoked') AND json_extract(body, '$.by') = :by;

-- name: delete_topic_titles_of(channel, chat, below, beyond)
DELETE FROM topic_titles WHERE channel = :channel AND (chat = :chat OR (chat > :below AND chat < :beyond));

-- name: delete_claim_on(conversation)
DELETE FROM claims WHERE conversation = :conversation;

-- name: delete_undelivered_of(conversation)
DELETE FROM undelivered WHERE conversation = :conversation;

-- name: delete_grants_in(conversation)
DELETE FROM grants WHERE conversation = :conversation;

-- name: delete_held_grants_in(conversation)
DELETE FROM held_back WHERE kind = 'grant' AND json_extract(body, '$[2]') = :conversation;

-- name: clear_pairing_name(channel, subject)
UPDATE pairings SET name = '' WHERE channel = :channel AND subject = :subject;

-- name: delete_first_messages_of(channel, subject)
DELETE FROM first_messages WHERE channel = :channel AND subject = :subject;

-- name: delete_grants_by(by)
DELETE FROM grants WHERE by = :by;

-- name: delete_held_grants_by(by)
DELETE FROM held_back WHERE kind = 'grant' AND json_extract(body, '$[5]') = :by;

-- name: delete_held_pairing(channel, subject)
DELETE FROM held_back WHERE kind = 'pairing' AND json_extract(body, '$[0]') = :channel AND json_extract(body, '$[1]') = :subject;

-- name: clear_held_pairing_name(channel, subject)
UPDATE held_back SET body = json_set(body, '$[3]', '')
WHERE kind = 'pairing' AND json_extract(body, '$[0]') = :channel AND json_extract(body, '$[1]') = :subject;

-- name: clear_held_pairings_by(by)
UPDATE held_back SET body = json_set(body, '$[4]', '') WHERE kind = 'pairing' AND json_extract(body, '$[4]') = :by;

-- name: clear_held_clients_by(by)
UPDATE held_back SET body = json_set(body, '$[5]', '') WHERE kind = 'client' AND json_extract(body, '$[5]') = :by;

-- name: clear_pairings_by(by)
UPDATE pairings SET by = '' WHERE by = :by;

-- name: clear_clients_by(by)
UPDATE clients SET by = '' WHERE by = :by;

-- name: clear_accepted_tools_by(by)
UPDATE accepted_tools SET by = '' WHERE by = :by;

-- name: conversations_with(channel, needle)
-- Those of a channel, or with '' of any, in whose logs a piece of JSON stands.
SELECT name FROM conversations AS c
WHERE (:channel = '' OR channel = :channel)
    AND EXISTS (SELECT 1 FROM log AS l WHERE l.conversation = c.id AND instr(l.body, :needle) > 0)
ORDER BY id;

-- name: conversations_of_channel_before(channel, at)
-- Those of a channel that began before a time.
SELECT c.name FROM conversations AS c
JOIN log AS l ON l.conversation = c.id AND l.seq = 0
WHERE c.channel = :channel AND l.at < :at
ORDER BY c.id;

-- name: last_entry_before(name, at)
-- How far a log is older than a time.
SELECT max(seq) FROM log
WHERE conversation = (SELECT id FROM conversations WHERE name = :name)
    AND seq < coalesce((
        SELECT min(seq) FROM log
        WHERE conversation = (SELECT id FROM conversations WHERE name = :name) AND at >= :at
    ), 9223372036854775807);

-- name: first_remembered(name)
-- The first entry whose content is there, and that tells of no forgetting.
SELECT min(seq) FROM log
WHERE conversation = (SELECT id FROM conversations WHERE name = :name)
    AND digest IS NULL AND instr(body, '"kind":"Forgot"') = 0;

-- name: reminders_for(first, end, conversation)
-- The logs of reminders, whose names lie between these, that are for a conversation.
SELECT c.name FROM conversations AS c
JOIN log AS l ON l.conversation = c.id AND l.seq = 0
WHERE c.name >= :first AND c.name < :end AND json_extract(l.body, '$.conversation') = :conversation;

-- name: entries_with_key_of(approval)
-- Prompts and reminders of an approval, wherever they were posted, and what came of them.
SELECT c.name, l.seq FROM log AS l JOIN conversations AS c ON c.id = l.conversation
WHERE l.key IS NOT NULL AND instr(l.key, :approval) > 0;

-- name: bodies_with_files(after, seq, limit)
SELECT conversation, seq, body FROM log
WHERE (conversation, seq) > (:after, :seq) AND instr(body, 'kept:') > 0
ORDER BY conversation, seq LIMIT :limit;

-- name: add_to_forget(kind, subject, by)
INSERT INTO forgetting (kind, subject, by) VALUES (:kind, :subject, :by) ON CONFLICT (kind, subject) DO NOTHING;

-- name: to_forget()
SELECT kind, subject, by FROM forgetting ORDER BY number;

-- name: done_forgetting(kind, subject)
DELETE FROM forgetting WHERE kind = :kind AND subject = :subject;

-- name: first_messages_heard()
SELECT heard FROM first_messages;
