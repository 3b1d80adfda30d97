-- name: approval(id)
SELECT name, asked, asked_at, asked_body, judged, judged_at, judged_body, id, tool, status
FROM approval_details
WHERE id = :id;

-- name: approvals_with_status(status, name, within, before, limit)
-- By the index of the status: few wait, wherever they do.
SELECT name, asked, asked_at, asked_body, judged, judged_at, judged_body, id, tool, status
FROM approval_details
WHERE status = :status
    AND number < coalesce((SELECT number FROM approvals WHERE id = :before), 9223372036854775807)
    AND (:name = '' OR name = :name)
    AND (
        :within = '[]'
        OR channel IN (SELECT value FROM json_each(:within))
        OR chat IN (SELECT value FROM json_each(:within))
        OR name IN (SELECT value FROM json_each(:within))
    )
ORDER BY number DESC
LIMIT :limit;

-- name: approvals_all(within, before, limit)
SELECT name, asked, asked_at, asked_body, judged, judged_at, judged_body, id, tool, status
FROM approval_details
WHERE number < coalesce((SELECT number FROM approvals WHERE id = :before), 9223372036854775807)
    AND (
        :within = '[]'
        OR channel IN (SELECT value FROM json_each(:within))
        OR chat IN (SELECT value FROM json_each(:within))
        OR name IN (SELECT value FROM json_each(:within))
    )
ORDER BY number DESC
LIMIT :limit;

-- name: count_approvals()
SELECT count(*) FROM approvals;

-- name: count_approvals_in(name, within)
SELECT count(*)
FROM conversation_places AS c
JOIN approvals AS a ON a.conversation = c.id
WHERE (:name = '' OR c.name = :name)
    AND (
        :within = '[]'
        OR c.channel IN (SELECT value FROM json_each(:within))
        OR c.chat IN (SELECT value FROM json_each(:within))
        OR c.name IN (SELECT value FROM json_each(:within))
    );

-- name: count_approvals_with_status(status, name, within)
SELECT count(*)
FROM approvals AS a
JOIN conversation_places AS c ON c.id = a.conversation
WHERE a.status = :status
    AND (:name = '' OR c.name = :name)
    AND (
        :within = '[]'
        OR c.channel IN (SELECT value FROM json_each(:within))
        OR c.chat IN (SELECT value FROM json_each(:within))
        OR c.name IN (SELECT value FROM json_each(:within))
    );

-- name: votes(name, first, last)
-- The entries whose keys lie between these: who of several approvers said yes to one call, in order.
SELECT l.body
FROM conversations AS c
JOIN log AS l ON l.conversation = c.id
WHERE c.name = :name AND l.key > :first AND l.key < :last
ORDER BY l.seq;

-- name: reviews(name, escalated, reviewed)
-- What a reviewer said of one call: what escalates first, for nothing else counts beside it.
SELECT l.body
FROM conversations AS c
JOIN log AS l ON l.conversation = c.id
WHERE c.name = :name AND l.key IN (:escalated, :reviewed)
ORDER BY l.key;
