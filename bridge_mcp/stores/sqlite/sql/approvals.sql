-- name: approval(id)^
SELECT c.name, a.asked, asked.at, asked.body, a.judged, judged.at, judged.body
FROM approvals AS a
JOIN conversations AS c ON c.id = a.conversation
JOIN log AS asked ON asked.conversation = a.conversation AND asked.seq = a.asked
LEFT JOIN log AS judged ON judged.conversation = a.conversation AND judged.seq = a.judged
WHERE a.id = :id;

-- name: approvals_in(name, status, limit)
SELECT c.name, a.asked, asked.at, asked.body, a.judged, judged.at, judged.body
FROM conversations AS c
JOIN approvals AS a ON a.conversation = c.id
JOIN log AS asked ON asked.conversation = a.conversation AND asked.seq = a.asked
LEFT JOIN log AS judged ON judged.conversation = a.conversation AND judged.seq = a.judged
WHERE c.name = :name AND (:status = '' OR +a.status = :status)
ORDER BY a.number
LIMIT :limit;

-- name: approvals_with(status, channels, limit)
SELECT c.name, a.asked, asked.at, asked.body, a.judged, judged.at, judged.body
FROM approvals AS a
JOIN conversations AS c ON c.id = a.conversation
JOIN log AS asked ON asked.conversation = a.conversation AND asked.seq = a.asked
LEFT JOIN log AS judged ON judged.conversation = a.conversation AND judged.seq = a.judged
WHERE a.status = :status
    AND (:channels = '[]' OR c.channel IN (SELECT value FROM json_each(:channels)))
ORDER BY a.number
LIMIT :limit;

-- name: approvals_all(channels, limit)
SELECT c.name, a.asked, asked.at, asked.body, a.judged, judged.at, judged.body
FROM approvals AS a
JOIN conversations AS c ON c.id = a.conversation
JOIN log AS asked ON asked.conversation = a.conversation AND asked.seq = a.asked
LEFT JOIN log AS judged ON judged.conversation = a.conversation AND judged.seq = a.judged
WHERE :channels = '[]' OR c.channel IN (SELECT value FROM json_each(:channels))
ORDER BY a.number
LIMIT :limit;
