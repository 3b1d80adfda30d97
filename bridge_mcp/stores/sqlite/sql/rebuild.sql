-- name: reset_conversation(id, channel)
-- The row as it is before the first entry.
UPDATE conversations
SET channel = :channel, head = 0, at = 0, tip = x'', calling = NULL, woken = -1,
    unsettled = NULL, heard = -1, cleared = -1, wake_at = NULL, due_since = 0,
    title = '', responder = NULL, messages = 0, last_text = '',
    last_at = coalesce((SELECT at FROM log WHERE conversation = :id ORDER BY seq LIMIT 1), 0)
WHERE id = :id;

-- name: put_approval(number, approval, id, tool, seq)
INSERT OR REPLACE INTO approvals (number, id, conversation, tool, asked, status)
VALUES (:number, :approval, :id, :tool, :seq, 'waiting');

-- name: fts_clear()
INSERT INTO words (words) VALUES ('delete-all');

-- name: fts_forget_progress()
DELETE FROM indexed;

-- name: fts_begin_anew()
INSERT INTO indexed (upto) VALUES (0);
