-- name: messages_due(now, limit, channel)
-- Of each conversation the first message that is not out yet, where it is queued and its time has come: one that waits,
-- or is being sent, holds back those behind it. '' stands for all channels.
-- SQLite takes the other columns from the row with the minimum.
WITH first AS (
    SELECT id, conversation, min(seq) AS seq, status, due_at
    FROM messages
    WHERE status IN ('queued', 'sending')
    GROUP BY conversation
)
SELECT m.* FROM first
JOIN message_details AS m ON m.id = first.id
JOIN conversations AS c ON c.id = first.conversation
WHERE first.status = 'queued' AND first.due_at <= :now AND (:channel = '' OR c.channel = :channel)
ORDER BY first.due_at, first.id
LIMIT :limit;
