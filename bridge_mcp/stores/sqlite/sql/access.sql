-- name: insert_grant(tool, conversation, arguments, expires_at, by, created_at)
INSERT INTO grants (tool, conversation, arguments, expires_at, by, created_at)
VALUES (:tool, :conversation, :arguments, :expires_at, :by, :created_at);
