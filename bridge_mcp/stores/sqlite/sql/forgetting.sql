-- name: conversation_head_to_write(name)
SELECT id, head FROM conversations WHERE name = :name;

-- name: fts_optimize()
-- Words that were given up leave the index only when its parts are merged.
INSERT INTO words (words) VALUES ('optimize');
