-- name: unfinished_conversations()
-- Those with something open: a step to take, a message to send, a question that nobody has answered, a call that waits.
SELECT name FROM conversations
WHERE unsettled IS NOT NULL
    OR id IN (SELECT conversation FROM messages WHERE status IN ('queued', 'sending'))
    OR id IN (SELECT conversation FROM messages WHERE asks = 1)
    OR id IN (SELECT conversation FROM approvals WHERE status = 'waiting')
ORDER BY id;

-- name: unsent_messages(name)
SELECT seq, platform_ids FROM messages
WHERE conversation = (SELECT id FROM conversations WHERE name = :name) AND status IN ('queued', 'sending')
ORDER BY seq;

-- name: unanswered_questions(name)
SELECT seq FROM messages
WHERE conversation = (SELECT id FROM conversations WHERE name = :name) AND asks = 1
ORDER BY seq;

-- name: delete_all_events()
DELETE FROM events;

-- name: hold_back_clients()
INSERT INTO held_back (kind, body)
SELECT 'client', CAST(json_array(name, token_hash, scopes, channels, conversations, by, created_at) AS text) FROM clients ORDER BY id;

-- name: delete_all_clients()
DELETE FROM clients;

-- name: hold_back_grants()
INSERT INTO held_back (kind, body)
SELECT 'grant', CAST(json_array(id, tool, conversation, arguments, expires_at, by, created_at) AS text) FROM grants ORDER BY id;

-- name: delete_all_grants()
DELETE FROM grants;

-- name: hold_back_pairings()
INSERT INTO held_back (kind, body)
SELECT 'pairing', CAST(json_array(channel, subject, role, name, by, at) AS text) FROM pairings ORDER BY channel, at, subject;

-- name: delete_all_pairings()
DELETE FROM pairings;

-- name: delete_all_subscriptions()
DELETE FROM event_subscriptions;

-- name: delete_all_callbacks()
DELETE FROM event_callbacks;

-- name: delete_all_claims()
DELETE FROM claims;

-- name: delete_all_face_sessions()
DELETE FROM face_sessions;

-- name: delete_all_face_subscriptions()
DELETE FROM face_subscriptions;

-- name: delete_all_face_notes()
DELETE FROM face_notes;

-- name: delete_all_pairing_requests()
DELETE FROM pairing_requests;

-- name: delete_all_first_messages()
DELETE FROM first_messages;

-- name: delete_all_secrets()
DELETE FROM secrets;

-- name: delete_all_status()
DELETE FROM engine_status;

-- name: held_back(kind)
SELECT body FROM held_back WHERE kind = :kind ORDER BY number;

-- name: let_in_clients()
-- A name that was given anew meanwhile stays with whoever has it now.
INSERT INTO clients (name, token_hash, scopes, channels, conversations, by, created_at)
SELECT json_extract(body, '$[0]'), json_extract(body, '$[1]'), json_extract(body, '$[2]'), json_extract(body, '$[3]'),
    json_extract(body, '$[4]'), json_extract(body, '$[5]'), CAST(json_extract(body, '$[6]') AS double precision)
FROM held_back WHERE kind = 'client' ORDER BY number
ON CONFLICT DO NOTHING;

-- name: let_in_grants()
INSERT INTO grants (tool, conversation, arguments, expires_at, by, created_at)
SELECT json_extract(body, '$[1]'), json_extract(body, '$[2]'), json_extract(body, '$[3]'), CAST(json_extract(body, '$[4]') AS double precision),
    json_extract(body, '$[5]'), CAST(json_extract(body, '$[6]') AS double precision)
FROM held_back WHERE kind = 'grant' ORDER BY number;

-- name: let_in_pairings()
-- Whoever was paired anew meanwhile stays what they are now.
INSERT INTO pairings (channel, subject, role, name, by, at)
SELECT json_extract(body, '$[0]'), json_extract(body, '$[1]'), json_extract(body, '$[2]'), json_extract(body, '$[3]'),
    json_extract(body, '$[4]'), CAST(json_extract(body, '$[5]') AS double precision)
FROM held_back WHERE kind = 'pairing' ORDER BY number
ON CONFLICT DO NOTHING;

-- name: delete_held_back()
DELETE FROM held_back;
