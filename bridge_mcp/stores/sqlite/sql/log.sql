-- name: conversation_row_to_write(name)
SELECT id, head, at, calling, woken, wake_at, due_since, title, responder, messages, last_at, last_text,
    tip, unsettled, heard, cleared
FROM conversations
WHERE name = :name;

-- name: insert_conversation(name, channel, at)
-- A conversation begins; the appends that follow fill it in.
INSERT INTO conversations
    (name, channel, head, at, tip, woken, due_since, title, messages, last_at, last_text)
VALUES (:name, :channel, 0, 0, x'', -1, 0, '', 0, :at, '');

-- name: insert_entry(id, seq, at, key, body, link, salt)
-- Nothing happens where the key is taken.
INSERT INTO log (conversation, seq, at, key, body, link, salt)
VALUES (:id, :seq, :at, :key, :body, :link, :salt)
ON CONFLICT (conversation, key) WHERE key IS NOT NULL DO NOTHING;

-- Four ways to write a conversation's row back, so that an append touches no index whose columns stay as they are.

-- name: update_conversation(id, head, at, tip, calling, woken, unsettled, heard, cleared)
UPDATE conversations
SET head = :head, at = :at, tip = :tip, calling = :calling, woken = :woken,
    unsettled = :unsettled, heard = :heard, cleared = :cleared
WHERE id = :id;

-- name: update_conversation_due(id, head, at, tip, calling, woken, unsettled, heard, cleared, wake_at, due_since)
UPDATE conversations
SET head = :head, at = :at, tip = :tip, calling = :calling, woken = :woken,
    unsettled = :unsettled, heard = :heard, cleared = :cleared,
    wake_at = :wake_at, due_since = :due_since
WHERE id = :id;

-- name: update_conversation_listed(id, head, at, tip, calling, woken, unsettled, heard, cleared, title, responder, messages, last_at, last_text)
UPDATE conversations
SET head = :head, at = :at, tip = :tip, calling = :calling, woken = :woken,
    unsettled = :unsettled, heard = :heard, cleared = :cleared,
    title = :title, responder = :responder, messages = :messages, last_at = :last_at, last_text = :last_text
WHERE id = :id;

-- name: update_conversation_due_and_listed(id, head, at, tip, calling, woken, unsettled, heard, cleared, wake_at, due_since, title, responder, messages, last_at, last_text)
UPDATE conversations
SET head = :head, at = :at, tip = :tip, calling = :calling, woken = :woken,
    unsettled = :unsettled, heard = :heard, cleared = :cleared,
    wake_at = :wake_at, due_since = :due_since,
    title = :title, responder = :responder, messages = :messages, last_at = :last_at, last_text = :last_text
WHERE id = :id;

-- name: insert_message(id, seq, status, asks, kind, expires_at)
INSERT INTO messages (conversation, seq, status, asks, kind, expires_at)
VALUES (:id, :seq, :status, :asks, :kind, :expires_at);

-- name: set_message_edited(id, seq, by)
-- A message has another text from the entry `by` on.
UPDATE messages SET edited = :by WHERE conversation = :id AND seq = :seq;

-- name: insert_button(token, id, seq)
INSERT INTO buttons (token, conversation, seq) VALUES (:token, :id, :seq) ON CONFLICT (token) DO NOTHING;

-- name: insert_platform_id(id, platform_id, seq)
-- The first message that the platform called so; one of ours.
INSERT INTO platform_ids (conversation, id, seq)
SELECT :id, :platform_id, :seq
WHERE EXISTS (SELECT 1 FROM messages WHERE conversation = :id AND seq = :seq AND status <> 'received')
ON CONFLICT DO NOTHING;

-- name: set_question_over(id, seq, by)
-- `by` is the seq of the answer; NULL where nobody has answered.
UPDATE messages SET asks = 0, answered = :by WHERE conversation = :id AND seq = :seq AND asks = 1;

-- name: set_message_outcome(id, seq, status, reason, platform_ids)
-- A message that went out, may have gone out, or never will. The log takes only the first outcome.
UPDATE messages
SET status = :status, due_at = 0, reason = :reason, platform_ids = coalesce(:platform_ids, platform_ids)
WHERE conversation = :id AND seq = :seq AND status <> 'received';

-- name: set_message_platform_ids(id, seq, platform_ids)
-- A message of ours that an edit made longer or shorter stands in other parts.
UPDATE messages
SET platform_ids = :platform_ids
WHERE conversation = :id AND seq = :seq AND status <> 'received';

-- name: insert_approval(approval, id, tool, seq)
INSERT INTO approvals (id, conversation, tool, asked, status)
VALUES (:approval, :id, :tool, :seq, 'waiting')
ON CONFLICT (id) DO NOTHING;

-- name: set_approval_verdict(approval, seq, status)
-- The log takes only the first verdict.
UPDATE approvals SET judged = :seq, status = :status WHERE id = :approval;

-- name: insert_entry_event(type, conversation, seq)
INSERT INTO events (type, conversation, seq) VALUES (:type, :conversation, :seq);

-- name: calls_since(moment, most)
-- Every entry is looked at, by its first characters: no index of the log tells kinds, and people look back seldom.
SELECT c.name, json_extract(l.body, '$.call') AS call, min(l.at) AS first
FROM log AS l
JOIN conversations AS c ON c.id = l.conversation
WHERE l.at >= :moment
    AND (
        instr(substr(l.body, 1, 40), '"kind":"Asked"') OR instr(substr(l.body, 1, 40), '"kind":"Finished"')
        OR (instr(substr(l.body, 1, 40), '"kind":"Started"') AND instr(substr(l.body, 1, 80), '"effect":"tool"'))
    )
    AND json_valid(l.body)
GROUP BY l.conversation, call
ORDER BY first DESC, l.conversation DESC, call DESC
LIMIT :most;
