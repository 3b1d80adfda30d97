-- name: pairings()
SELECT channel, subject, role, name, by, at FROM pairings ORDER BY channel, at, subject;

-- name: pairings_of(channel)
SELECT channel, subject, role, name, by, at FROM pairings WHERE channel = :channel ORDER BY at, subject;

-- name: pairing(channel, subject)
SELECT channel, subject, role, name, by, at FROM pairings WHERE channel = :channel AND subject = :subject;

-- name: upsert_pairing(channel, subject, role, name, by, at)
INSERT INTO pairings (channel, subject, role, name, by, at) VALUES (:channel, :subject, :role, :name, :by, :at)
ON CONFLICT (channel, subject) DO UPDATE
SET role = excluded.role, name = excluded.name, by = excluded.by, at = excluded.at;

-- name: delete_pairing(channel, subject)
DELETE FROM pairings WHERE channel = :channel AND subject = :subject;

-- name: delete_pairing_requests(channel, subject)
DELETE FROM pairing_requests WHERE channel = :channel AND subject = :subject;

-- name: delete_expired_pairing_requests(now, ahead)
DELETE FROM pairing_requests WHERE expires_at <= :now OR at > :ahead;

-- name: pairing_request_of(channel, subject)
SELECT code, channel, subject, name, at, expires_at FROM pairing_requests
WHERE channel = :channel AND subject = :subject;

-- name: count_pairing_requests(channel)
SELECT count(*) FROM pairing_requests WHERE channel = :channel;

-- name: delete_oldest_pairing_request(channel, before)
DELETE FROM pairing_requests
WHERE code = (
    SELECT code FROM pairing_requests WHERE channel = :channel AND at < :before ORDER BY at, code LIMIT 1
);

-- name: insert_pairing_request(code, channel, subject, name, at, expires_at)
INSERT INTO pairing_requests (code, channel, subject, name, at, expires_at)
VALUES (:code, :channel, :subject, :name, :at, :expires_at);

-- name: open_pairing_requests(now, ahead)
SELECT code, channel, subject, name, at, expires_at FROM pairing_requests
WHERE expires_at > :now AND at <= :ahead ORDER BY at, code;

-- name: active_grants(now, ahead)
-- One that ends and is from the future was made by a clock that was ahead: when it ends is not known, so it has.
SELECT id, tool, conversation, arguments, expires_at, by, created_at FROM grants
WHERE expires_at = 0 OR (expires_at > :now AND created_at <= :ahead)
ORDER BY id;

-- name: grants_for(tools, places, now, ahead)
SELECT id, tool, conversation, arguments, expires_at, by, created_at FROM grants
WHERE tool IN (SELECT value FROM json_each(:tools)) AND conversation IN (SELECT value FROM json_each(:places))
    AND (expires_at = 0 OR (expires_at > :now AND created_at <= :ahead))
ORDER BY id;

-- name: same_grant(tool, conversation, arguments, by)
SELECT id, tool, conversation, arguments, expires_at, by, created_at FROM grants
WHERE tool = :tool AND conversation = :conversation AND arguments = :arguments AND by = :by;

-- name: grants_of_tool_in(tool, conversation)
-- The newest first.
SELECT id FROM grants WHERE tool = :tool AND conversation = :conversation ORDER BY created_at DESC, id DESC;

-- name: update_grant(id, expires_at, created_at)
UPDATE grants SET expires_at = :expires_at, created_at = :created_at WHERE id = :id;

-- name: has_ended_grants(now)
SELECT EXISTS (SELECT 1 FROM grants WHERE expires_at > 0 AND expires_at <= :now);

-- name: delete_ended_grants(now)
DELETE FROM grants WHERE expires_at > 0 AND expires_at <= :now;

-- name: delete_grant(id)
DELETE FROM grants WHERE id = :id;

-- name: insert_client(name, token_hash, scopes, channels, conversations, by, created_at)
-- Nothing happens where the name is taken.
INSERT INTO clients (name, token_hash, scopes, channels, conversations, by, created_at)
VALUES (:name, :token_hash, :scopes, :channels, :conversations, :by, :created_at)
ON CONFLICT (name) DO NOTHING;

-- name: clients()
SELECT name, token_hash, scopes, channels, conversations, by, created_at FROM clients ORDER BY id;

-- name: client_by_token(token_hash)
SELECT name, token_hash, scopes, channels, conversations, by, created_at FROM clients
WHERE token_hash = :token_hash;

-- name: delete_client(name)
DELETE FROM clients WHERE name = :name;

-- name: claim_of(conversation, now, ahead)
-- One from the future was made by a clock that was ahead: when it ends is not known, so it has.
SELECT conversation, client, until FROM claims
WHERE conversation = :conversation AND until > :now AND at <= :ahead;

-- name: count_claims_of(client)
SELECT count(*) FROM claims WHERE client = :client;

-- name: put_claim(conversation, client, until, at)
INSERT INTO claims (conversation, client, until, at) VALUES (:conversation, :client, :until, :at)
ON CONFLICT (conversation) DO UPDATE SET client = excluded.client, until = excluded.until, at = excluded.at;

-- name: delete_claim(conversation, client)
DELETE FROM claims WHERE conversation = :conversation AND client = :client;

-- name: delete_ended_claims(now, ahead)
DELETE FROM claims WHERE until <= :now OR at > :ahead;

-- name: delete_claims_of(client)
DELETE FROM claims WHERE client = :client;
