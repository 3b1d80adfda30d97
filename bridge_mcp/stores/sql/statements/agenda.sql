-- name: conversations_due(now, limit)
-- Those that are due now in the order they became so, among those whose time has come.
SELECT name FROM (
    SELECT * FROM (
        SELECT name, due_since AS since FROM conversations WHERE wake_at = 0 ORDER BY due_since LIMIT :limit
    ) AS now
    UNION ALL
    SELECT * FROM (
        SELECT name, wake_at AS since FROM conversations
        WHERE wake_at > 0 AND wake_at <= :now ORDER BY wake_at LIMIT :limit
    ) AS by_time
) AS due
ORDER BY since
LIMIT :limit;

-- name: next_due_at(after)
SELECT min(at) FROM (
    SELECT min(wake_at) AS at FROM conversations WHERE wake_at > 0 AND wake_at > :after
    UNION ALL
    SELECT min(due_at) FROM messages
    WHERE status IN ('queued', 'sending') AND status = 'queued' AND due_at > :after
) AS times;

-- name: conversations_waiting(limit)
SELECT c.name FROM approvals AS a JOIN conversations AS c ON c.id = a.conversation WHERE a.status = 'waiting'
UNION ALL
SELECT name FROM conversations WHERE wake_at > 0
LIMIT :limit;

-- name: agenda_row(name)
SELECT id, head, wake_at FROM conversations WHERE name = :name;

-- name: set_wake(id, wake_at, due_since)
UPDATE conversations SET wake_at = :wake_at, due_since = :due_since WHERE id = :id;

-- name: shift_wakes(now, by)
UPDATE conversations SET wake_at = max(1, wake_at - :by) WHERE wake_at > 0 AND wake_at > :now;

-- name: shift_messages(now, by)
UPDATE messages SET due_at = max(0, due_at - :by)
WHERE status IN ('queued', 'sending') AND status = 'queued' AND due_at > :now;

-- name: shift_grants(by)
-- 0 stands for never.
UPDATE grants SET expires_at = max(1, expires_at - :by), created_at = created_at - :by WHERE expires_at > 0;

-- name: shift_pairing_requests(by)
UPDATE pairing_requests SET expires_at = expires_at - :by, at = at - :by;

-- name: has_times_from_the_future(now, ahead, latest)
SELECT EXISTS (SELECT 1 FROM conversations WHERE wake_at > 0 AND wake_at > :now AND at > :ahead)
    OR EXISTS (
        SELECT 1 FROM messages WHERE status IN ('queued', 'sending') AND status = 'queued' AND due_at > :latest
    );

-- name: wake_conversations_from_the_future(now, ahead)
UPDATE conversations SET wake_at = 0, due_since = :now WHERE wake_at > 0 AND wake_at > :now AND at > :ahead;

-- name: send_messages_from_the_future(latest)
UPDATE messages SET due_at = :latest
WHERE status IN ('queued', 'sending') AND status = 'queued' AND due_at > :latest;
