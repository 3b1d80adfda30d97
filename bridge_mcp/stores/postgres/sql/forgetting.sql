-- name: conversation_head_to_write(name)
SELECT id, head FROM conversations WHERE name = :name FOR UPDATE;
