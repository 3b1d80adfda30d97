-- name: all_conversations()
SELECT id, name FROM conversations ORDER BY id;

-- name: entries_page(id, after, limit)
SELECT seq, at, key, body, link FROM log WHERE conversation = :id AND seq > :after ORDER BY seq LIMIT :limit;

-- name: messages_to_keep(id)
SELECT seq, id, status, due_at, attempts, reason, platform_ids, parts FROM messages WHERE conversation = :id;

-- name: approvals_to_keep(id)
SELECT id, number FROM approvals WHERE conversation = :id;

-- name: newest_numbers()
SELECT coalesce((SELECT max(id) FROM messages), 0), coalesce((SELECT max(number) FROM approvals), 0);

-- name: events_of_entries(after)
SELECT cursor, conversation, seq, type FROM events WHERE cursor > :after AND seq IS NOT NULL ORDER BY cursor;

-- name: delete_messages_of(id)
DELETE FROM messages WHERE conversation = :id;

-- name: delete_platform_ids_of(id)
DELETE FROM platform_ids WHERE conversation = :id;

-- name: delete_buttons_of(id)
DELETE FROM buttons WHERE conversation = :id;

-- name: delete_approvals_of(id)
DELETE FROM approvals WHERE conversation = :id;

-- name: delete_spending_of(scope)
DELETE FROM spending WHERE scope = :scope;

-- name: set_entry_key(id, seq, key)
UPDATE log SET key = :key WHERE conversation = :id AND seq = :seq
    AND NOT EXISTS (SELECT 1 FROM log AS other WHERE other.conversation = :id AND other.key = :key AND other.seq <> :seq);

-- name: put_message(number, id, seq, status, due_at, attempts, reason, platform_ids, parts, asks, kind, expires_at)
INSERT INTO messages
    (id, conversation, seq, status, due_at, attempts, reason, platform_ids, parts, asks, kind, expires_at)
VALUES (:number, :id, :seq, :status, :due_at, :attempts, :reason, :platform_ids, :parts, :asks, :kind, :expires_at);

-- name: put_button(token, id, seq)
INSERT INTO buttons (token, conversation, seq) VALUES (:token, :id, :seq)
ON CONFLICT (token) DO UPDATE SET conversation = excluded.conversation, seq = excluded.seq;

-- name: set_event_type(cursor, type)
UPDATE events SET type = :type WHERE cursor = :cursor;

-- name: delete_event(cursor)
DELETE FROM events WHERE cursor = :cursor;

-- name: delete_messages_of_nobody()
DELETE FROM messages WHERE conversation NOT IN (SELECT id FROM conversations);

-- name: delete_platform_ids_of_nobody()
DELETE FROM platform_ids WHERE conversation NOT IN (SELECT id FROM conversations);

-- name: delete_buttons_of_nobody()
DELETE FROM buttons WHERE conversation NOT IN (SELECT id FROM conversations);

-- name: delete_approvals_of_nobody()
DELETE FROM approvals WHERE conversation NOT IN (SELECT id FROM conversations);

-- name: delete_events_of_nobody()
DELETE FROM events WHERE seq IS NOT NULL AND conversation NOT IN (SELECT name FROM conversations);

-- name: delete_spending_of_nobody()
-- Sums of channels and of the bridge go too: they are computed from those of conversations.
DELETE FROM spending WHERE scope NOT IN (SELECT name FROM conversations);

-- name: sum_spending_of_channels()
INSERT INTO spending
    (scope, day, model, calls, input_tokens, output_tokens, cached_tokens, nano_usd, unpriced, latency_ms)
SELECT substr(scope, 1, instr(scope, '/') - 1), day, model, sum(calls), sum(input_tokens), sum(output_tokens),
    sum(cached_tokens), sum(nano_usd), sum(unpriced), sum(latency_ms)
FROM spending WHERE instr(scope, '/') > 0 GROUP BY 1, 2, 3;

-- name: sum_spending_of_the_bridge()
INSERT INTO spending
    (scope, day, model, calls, input_tokens, output_tokens, cached_tokens, nano_usd, unpriced, latency_ms)
SELECT '', day, model, sum(calls), sum(input_tokens), sum(output_tokens),
    sum(cached_tokens), sum(nano_usd), sum(unpriced), sum(latency_ms)
FROM spending WHERE instr(scope, '/') > 0 GROUP BY day, model;
