-- name: conversation_rows_to_write(names)
-- As before, of several, and nobody else appends to them until the commit. In one order, so that no two wait for each other.
SELECT name, EXISTS (SELECT 1 FROM log WHERE log.conversation = conversations.id AND log.digest IS NOT NULL),
    id, head, at, calling, woken, wake_at, due_since, title, responder, messages, last_at, last_text,
    tip, unsettled, heard, cleared
FROM conversations
WHERE name = ANY(:names)
ORDER BY id
FOR UPDATE;

-- name: seqs_of_keys(names, keys)
-- Where keys stand that are taken, each in its conversation.
SELECT c.name, l.key, l.seq
FROM unnest(CAST(:names AS text[]), CAST(:keys AS text[])) AS wanted (name, key)
JOIN conversations AS c ON c.name = wanted.name
JOIN log AS l ON l.conversation = c.id AND l.key = wanted.key;

-- name: new_conversation_ids(count)
SELECT nextval(pg_get_serial_sequence('conversations', 'id')) FROM generate_series(1, :count);

-- name: insert_conversation_as(id, name, channel, at, folded)
-- Of several: each parameter is an array, here and wherever `unnest` stands (`batch.py`). Conversations begin; the appends
-- that follow fill them in.
INSERT INTO conversations
    (id, name, channel, head, at, tip, woken, due_since, title, messages, last_at, last_text, folded)
SELECT id, name, channel, 0, 0, '', -1, 0, '', 0, at, '', folded
FROM unnest(
    CAST(:id AS bigint[]), CAST(:name AS text[]), CAST(:channel AS text[]), CAST(:at AS double precision[]),
    CAST(:folded AS text[])
) AS begun (id, name, channel, at, folded);

-- name: insert_entry(id, seq, at, key, body, link, salt)
-- Nothing happens where the key is taken.
INSERT INTO log (conversation, seq, at, key, body, link, salt)
VALUES (:id, :seq, :at, :key, :body, :link, :salt)
ON CONFLICT (conversation, key) WHERE key IS NOT NULL DO NOTHING;

-- name: insert_entry_with_free_key(id, seq, at, key, body, link, salt)
INSERT INTO log (conversation, seq, at, key, body, link, salt)
SELECT * FROM unnest(
    CAST(:id AS bigint[]), CAST(:seq AS bigint[]), CAST(:at AS double precision[]), CAST(:key AS text[]),
    CAST(:body AS text[]), CAST(:link AS bytea[]), CAST(:salt AS bytea[])
);

-- Four ways to write a conversation's row back, so that an append touches no index whose columns stay as they are.

-- name: update_conversation(id, head, at, tip, calling, woken, unsettled, heard, cleared)
UPDATE conversations AS c
SET
    head = t.head, at = t.at, tip = t.tip, calling = t.calling, woken = t.woken, unsettled = t.unsettled,
    heard = t.heard, cleared = t.cleared
FROM unnest(
    CAST(:id AS bigint[]), CAST(:head AS bigint[]), CAST(:at AS double precision[]), CAST(:tip AS bytea[]),
    CAST(:calling AS bigint[]), CAST(:woken AS bigint[]), CAST(:unsettled AS bigint[]), CAST(:heard AS bigint[]),
    CAST(:cleared AS bigint[])
) AS t (
    id, head, at, tip, calling, woken, unsettled, heard, cleared
)
WHERE c.id = t.id;

-- name: update_conversation_due(id, head, at, tip, calling, woken, unsettled, heard, cleared, wake_at, due_since)
UPDATE conversations AS c
SET
    head = t.head, at = t.at, tip = t.tip, calling = t.calling, woken = t.woken, unsettled = t.unsettled,
    heard = t.heard, cleared = t.cleared, wake_at = t.wake_at, due_since = t.due_since
FROM unnest(
    CAST(:id AS bigint[]), CAST(:head AS bigint[]), CAST(:at AS double precision[]), CAST(:tip AS bytea[]),
    CAST(:calling AS bigint[]), CAST(:woken AS bigint[]), CAST(:unsettled AS bigint[]), CAST(:heard AS bigint[]),
    CAST(:cleared AS bigint[]), CAST(:wake_at AS double precision[]), CAST(:due_since AS double precision[])
) AS t (
    id, head, at, tip, calling, woken, unsettled, heard, cleared, wake_at, due_since
)
WHERE c.id = t.id;

-- name: update_conversation_listed(id, head, at, tip, calling, woken, unsettled, heard, cleared, title, folded, responder, messages, last_at, last_text)
UPDATE conversations AS c
SET
    head = t.head, at = t.at, tip = t.tip, calling = t.calling, woken = t.woken, unsettled = t.unsettled,
    heard = t.heard, cleared = t.cleared, title = t.title, folded = t.folded, responder = t.responder,
    messages = t.messages, last_at = t.last_at, last_text = t.last_text
FROM unnest(
    CAST(:id AS bigint[]), CAST(:head AS bigint[]), CAST(:at AS double precision[]), CAST(:tip AS bytea[]),
    CAST(:calling AS bigint[]), CAST(:woken AS bigint[]), CAST(:unsettled AS bigint[]), CAST(:heard AS bigint[]),
    CAST(:cleared AS bigint[]), CAST(:title AS text[]), CAST(:folded AS text[]), CAST(:responder AS text[]),
    CAST(:messages AS bigint[]), CAST(:last_at AS double precision[]), CAST(:last_text AS text[])
) AS t (
    id, head, at, tip, calling, woken, unsettled, heard, cleared, title, folded, responder, messages, last_at,
    last_text
)
WHERE c.id = t.id;

-- name: update_conversation_due_and_listed(id, head, at, tip, calling, woken, unsettled, heard, cleared, wake_at, due_since, title, folded, responder, messages, last_at, last_text)
UPDATE conversations AS c
SET
    head = t.head, at = t.at, tip = t.tip, calling = t.calling, woken = t.woken, unsettled = t.unsettled,
    heard = t.heard, cleared = t.cleared, wake_at = t.wake_at, due_since = t.due_since, title = t.title,
    folded = t.folded, responder = t.responder, messages = t.messages, last_at = t.last_at, last_text = t.last_text
FROM unnest(
    CAST(:id AS bigint[]), CAST(:head AS bigint[]), CAST(:at AS double precision[]), CAST(:tip AS bytea[]),
    CAST(:calling AS bigint[]), CAST(:woken AS bigint[]), CAST(:unsettled AS bigint[]), CAST(:heard AS bigint[]),
    CAST(:cleared AS bigint[]), CAST(:wake_at AS double precision[]), CAST(:due_since AS double precision[]),
    CAST(:title AS text[]), CAST(:folded AS text[]), CAST(:responder AS text[]), CAST(:messages AS bigint[]),
    CAST(:last_at AS double precision[]), CAST(:last_text AS text[])
) AS t (
    id, head, at, tip, calling, woken, unsettled, heard, cleared, wake_at, due_since, title, folded, responder,
    messages, last_at, last_text
)
WHERE c.id = t.id;

-- name: insert_message(id, seq, status, asks, kind, expires_at)
-- In their order, which is that of their numbers.
INSERT INTO messages (conversation, seq, status, asks, kind, expires_at)
SELECT * FROM unnest(
    CAST(:id AS bigint[]), CAST(:seq AS bigint[]), CAST(:status AS text[]), CAST(:asks AS bigint[]),
    CAST(:kind AS text[]), CAST(:expires_at AS double precision[])
);

-- name: set_message_edited(id, seq, by)
-- A message has another text from the entry `by` on.
UPDATE messages SET edited = :by WHERE conversation = :id AND seq = :seq;

-- name: insert_button(token, id, seq)
INSERT INTO buttons (token, conversation, seq) VALUES (:token, :id, :seq) ON CONFLICT (token) DO NOTHING;

-- name: insert_platform_id(id, platform_id, seq)
-- The first messages that the platform called so; those of ours.
INSERT INTO platform_ids (conversation, id, seq)
SELECT t.conversation, t.id, t.seq
FROM unnest(CAST(:id AS bigint[]), CAST(:platform_id AS text[]), CAST(:seq AS bigint[])) AS t (conversation, id, seq)
JOIN messages AS m ON m.conversation = t.conversation AND m.seq = t.seq AND m.status <> 'received'
ON CONFLICT DO NOTHING;

-- name: set_question_over(id, seq, by)
-- `by` is the seq of the answer; NULL where nobody has answered.
UPDATE messages SET asks = 0, answered = :by WHERE conversation = :id AND seq = :seq AND asks = 1;

-- name: set_message_outcome(id, seq, status, reason, platform_ids)
-- Messages that went out, may have gone out, or never will. The log takes only the first outcome.
UPDATE messages AS m
SET status = t.status, due_at = 0, reason = t.reason, platform_ids = coalesce(t.platform_ids, m.platform_ids)
FROM unnest(
    CAST(:id AS bigint[]), CAST(:seq AS bigint[]), CAST(:status AS text[]), CAST(:reason AS text[]),
    CAST(:platform_ids AS text[])
) AS t (id, seq, status, reason, platform_ids)
WHERE m.conversation = t.id AND m.seq = t.seq AND m.status <> 'received';

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

-- name: calls_since(moment, most)
-- Every entry is looked at, by its first characters: no index of the log tells kinds, and people look back seldom. An id
-- of a call holds no character that JSON would escape.
SELECT c.name, substring(l.body from '"call":"([^"\\]*)"') AS call, min(l.at) AS first
FROM log AS l
JOIN conversations AS c ON c.id = l.conversation
WHERE l.at >= :moment
    AND (
        strpos(substr(l.body, 1, 40), '"kind":"Asked"') > 0 OR strpos(substr(l.body, 1, 40), '"kind":"Finished"') > 0
        OR (
            strpos(substr(l.body, 1, 40), '"kind":"Started"') > 0
            AND strpos(substr(l.body, 1, 80), '"effect":"tool"') > 0
        )
    )
GROUP BY c.name, l.conversation, call
ORDER BY first DESC, l.conversation DESC, call DESC
LIMIT :most;
