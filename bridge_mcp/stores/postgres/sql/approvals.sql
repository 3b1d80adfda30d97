-- name: approvals_in_conversation(name, status, before, limit)
SELECT name, asked, asked_at, asked_body, judged, judged_at, judged_body, id, tool, status
FROM approval_details
WHERE name = :name AND (:status = '' OR status = :status)
    AND number < coalesce((SELECT number FROM approvals WHERE id = :before), 9223372036854775807)
ORDER BY number DESC
LIMIT :limit;
