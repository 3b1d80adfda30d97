-- name: due(now, limit)
-- Those that are due now in the order they became so, among those whose time has come.
SELECT name FROM (
    SELECT * FROM (
        SELECT name, due_since AS since FROM conversations WHERE wake_at = 0 ORDER BY due_since LIMIT :limit
    )
    UNION ALL
    SELECT * FROM (
        SELECT name, wake_at AS since FROM conversations
        WHERE wake_at > 0 AND wake_at <= :now ORDER BY wake_at LIMIT :limit
    )
)
ORDER BY since
LIMIT :limit;

-- name: next_due(after)$
-- The scalar min() ignores nothing, the aggregate one ignores NULL: hence the rows.
SELECT min(at) FROM (
    SELECT min(wake_at) AS at FROM conversations WHERE wake_at > 0 AND wake_at > :after
    UNION ALL
    SELECT min(due_at) FROM messages
    WHERE status IN ('queued', 'sending') AND status = 'queued' AND due_at > :after
);

-- name: standing(name)^
SELECT id, head, wake_at FROM conversations WHERE name = :name;

-- name: rest(id, wake_at, due_since)!
UPDATE conversations SET wake_at = :wake_at, due_since = :due_since WHERE id = :id;

-- name: version()$
PRAGMA data_version;
