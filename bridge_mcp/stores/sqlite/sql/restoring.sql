-- name: forget_newest_cursor()
DELETE FROM sqlite_sequence WHERE name = 'events';

-- name: set_newest_cursor(cursor)
INSERT INTO sqlite_sequence (name, seq) VALUES ('events', :cursor);
