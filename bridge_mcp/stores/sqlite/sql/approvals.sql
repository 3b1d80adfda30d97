-- name: approval(id)
SELECT c.name, a.asked, asked.at, asked.body, a.judged, judged.at, judged.body,
    a.id, a.tool, a.status
FROM approvals AS a
JOIN conversations AS c ON c.id = a.conversation
JOIN log AS asked ON asked.conversation = a.conversation AND asked.seq = a.asked
LEFT JOIN log AS judged ON judged.conversation = a.conversation AND judged.seq = a.judged
WHERE a.id = :id;

-- name: approvals_in_conversation(name, status, before, limit)
SELECT c.name, a.asked, asked.at, asked.body, a.judged, judged.at, judged.body,
    a.id, a.tool, a.status
FROM conversations AS c
JOIN approvals AS a ON a.conversation = c.id
JOIN log AS asked ON asked.conversation = a.conversation AND asked.seq = a.asked
LEFT JOIN log AS judged ON judged.conversation = a.conversation AND judged.seq = a.judged
WHERE c.name = :name AND (:status = '' OR +a.status = :status)
    AND a.number < coalesce((SELECT number FROM approvals WHERE id = :before), 9223372036854775807)
ORDER BY a.number DESC
LIMIT :limit;

-- name: approvals_with_status(status, name, within, before, limit)
-- By the index of the status: few wait, wherever they do.
SELECT c.name, a.asked, asked.at, asked.body, a.judged, judged.at, judged.body,
    a.id, a.tool, a.status
FROM approvals AS a
JOIN conversations AS c ON c.id = a.conversation
JOIN log AS asked ON asked.conversation = a.conversation AND asked.seq = a.asked
LEFT JOIN log AS judged ON judged.conversation = a.conversation AND judged.seq = a.judged
WHERE a.status = :status
    AND a.number < coalesce((SELECT number FROM approvals WHERE id = :before), 9223372036854775807)
    AND (:name = '' OR c.name = :name)
    AND (
        :within = '[]'
        OR substr(c.name, 1, instr(c.name || '/', '/') - 1) IN (SELECT value FROM json_each(:within))
        OR substr(c.name, 1, instr(c.name || '/', '/') + instr(substr(c.name, instr(c.name || '/', '/') + 1) || '/', '/') - 1)
            IN (SELECT value FROM json_each(:within))
        OR c.name IN (SELECT value FROM json_each(:within))
    )
ORDER BY a.number DESC
LIMIT :limit;

-- name: approvals_all(within, before, limit)
SELECT c.name, a.asked, asked.at, asked.body, a.judged, judged.at, judged.body,
    a.id, a.tool, a.status
FROM approvals AS a
JOIN conversations AS c ON c.id = a.conversation
JOIN log AS asked ON asked.conversation = a.conversation AND asked.seq = a.asked
LEFT JOIN log AS judged ON judged.conversation = a.conversation AND judged.seq = a.judged
WHERE a.number < coalesce((SELECT number FROM approvals WHERE id = :before), 9223372036854775807)
    AND (
        :within = '[]'
        OR substr(c.name, 1, instr(c.name || '/', '/') - 1) IN (SELECT value FROM json_each(:within))
        OR substr(c.name, 1, instr(c.name || '/', '/') + instr(substr(c.name, instr(c.name || '/', '/') + 1) || '/', '/') - 1)
            IN (SELECT value FROM json_each(:within))
        OR c.name IN (SELECT value FROM json_each(:within))
    )
ORDER BY a.number DESC
LIMIT :limit;

-- name: count_approvals()
SELECT count(*) FROM approvals;

-- name: count_approvals_in(name, within)
SELECT count(*)
FROM conversations AS c
JOIN approvals AS a ON a.conversation = c.id
WHERE (:name = '' OR c.name = :name)
    AND (
        :within = '[]'
        OR substr(c.name, 1, instr(c.name || '/', '/') - 1) IN (SELECT value FROM json_each(:within))
        OR substr(c.name, 1, instr(c.name || '/', '/') + instr(substr(c.name, instr(c.name || '/', '/') + 1) || '/', '/') - 1)
            IN (SELECT value FROM json_each(:within))
        OR c.name IN (SELECT value FROM json_each(:within))
    );

-- name: count_approvals_with_status(status, name, within)
SELECT count(*)
FROM approvals AS a
JOIN conversations AS c ON c.id = a.conversation
WHERE a.status = :status
    AND (:name = '' OR c.name = :name)
    AND (
        :within = '[]'
        OR substr(c.name, 1, instr(c.name || '/', '/') - 1) IN (SELECT value FROM json_each(:within))
        OR substr(c.name, 1, instr(c.name || '/', '/') + instr(substr(c.name, instr(c.name || '/', '/') + 1) || '/', '/') - 1)
            IN (SELECT value FROM json_each(:within))
        OR c.name IN (SELECT value FROM json_each(:within))
    );

-- name: votes(name, first, last)
-- The entries whose keys lie between these: who of several approvers said yes to one call, in order.
SELECT l.body
FROM conversations AS c
JOIN log AS l ON l.conversation = c.id
WHERE c.name = :name AND l.key > :first AND l.key < :last
ORDER BY l.seq;
