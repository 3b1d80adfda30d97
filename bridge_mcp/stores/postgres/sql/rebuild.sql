-- name: reset_conversation(id, channel)
-- The row as it is before the first entry.
UPDATE conversations
SET channel = :channel, head = 0, at = 0, tip = '', calling = NULL, woken = -1,
    unsettled = NULL, heard = -1, cleared = -1, wake_at = NULL, due_since = 0,
    title = '', folded = '', responder = NULL, messages = 0, last_text = '',
    last_at = coalesce((SELECT at FROM log WHERE conversation = :id ORDER BY seq LIMIT 1), 0)
WHERE id = :id;

-- name: put_approval(number, approval, id, tool, seq)
INSERT INTO approvals (number, id, conversation, tool, asked, status)
VALUES (:number, :approval, :id, :tool, :seq, 'waiting')
ON CONFLICT (id) DO UPDATE
SET number = excluded.number, conversation = excluded.conversation, tool = excluded.tool, asked = excluded.asked,
    judged = NULL, status = excluded.status;

-- name: settle_numbers()
-- Rows were put under their former numbers: new ones begin beyond.
SELECT setval(pg_get_serial_sequence('messages', 'id'), greatest((SELECT max(id) FROM messages), 1)),
    setval(pg_get_serial_sequence('approvals', 'number'), greatest((SELECT max(number) FROM approvals), 1));
