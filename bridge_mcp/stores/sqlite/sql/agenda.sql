-- name: agenda_row_to_write(name)
SELECT id, head, wake_at FROM conversations WHERE name = :name;

-- name: data_version()
PRAGMA data_version;
