-- name: cursor_span()
-- The newest cursor ever given, and the oldest that is still there (NULL: none is).
SELECT (SELECT head FROM feed), (SELECT min(cursor) FROM events);

-- name: insert_events(count, types, conversations, seqs, ats, bodies)
-- The lock on the feed's row is held to the commit: whoever reads a cursor reads all events before it.
WITH taken AS (UPDATE feed SET head = head + :count RETURNING head - :count AS before)
INSERT INTO events (cursor, type, conversation, seq, at, body)
SELECT taken.before + told.number, told.type, told.conversation, told.seq, told.at, told.body
FROM taken, unnest(
    CAST(:types AS text[]), CAST(:conversations AS text[]), CAST(:seqs AS bigint[]), CAST(:ats AS double precision[]),
    CAST(:bodies AS text[])
) WITH ORDINALITY AS told (type, conversation, seq, at, body, number);
