-- name: use_kept_file(hash)
-- To some minutes: reading is not to write each time.
UPDATE kept_files SET used_at = extract(epoch FROM now())
WHERE hash = :hash AND used_at < extract(epoch FROM now()) - 60;

-- name: has_kept_file(hash)
SELECT 1 FROM kept_files WHERE hash = :hash;

-- name: put_kept_file(hash, size, body)
INSERT INTO kept_files (hash, size, used_at, body) VALUES (:hash, :size, extract(epoch FROM now()), :body)
ON CONFLICT (hash) DO NOTHING;

-- name: kept_file(hash)
SELECT body FROM kept_files WHERE hash = :hash;

-- name: delete_kept_file(hash)
DELETE FROM kept_files WHERE hash = :hash;

-- name: kept_files_size()
SELECT coalesce(sum(size), 0)::bigint FROM kept_files;

-- name: delete_kept_files_beyond(room)
-- Those that were not used for the longest.
DELETE FROM kept_files WHERE hash IN (
    SELECT hash FROM (SELECT hash, sum(size) OVER (ORDER BY used_at DESC, hash) AS total FROM kept_files) AS f
    WHERE f.total > :room
);

-- name: kept_file_hashes()
SELECT hash FROM kept_files ORDER BY hash;
