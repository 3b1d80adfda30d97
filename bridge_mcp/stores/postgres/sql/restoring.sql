-- name: forget_newest_cursor()
UPDATE feed SET head = 0;

-- name: set_newest_cursor(cursor)
UPDATE feed SET head = :cursor;
