-- name: channels()
-- Every channel once, by stepping through the index.
WITH RECURSIVE step (channel) AS (
    (SELECT channel FROM conversations ORDER BY channel LIMIT 1)
    UNION ALL
    SELECT (SELECT c.channel FROM conversations AS c WHERE c.channel > step.channel ORDER BY c.channel LIMIT 1)
    FROM step WHERE step.channel IS NOT NULL
)
SELECT channel FROM step WHERE channel IS NOT NULL;

-- name: conversations_of_channel_like(channel, last_at, id, limit, query)
-- As before, for a part of name or title; both are folded by str.casefold.
SELECT * FROM conversation_details
WHERE id IN (
    SELECT id FROM conversations
    WHERE channel = :channel AND (last_at, id) < (:last_at, :id) AND strpos(folded, :query) > 0
    ORDER BY last_at DESC, id DESC
    LIMIT :limit
)
ORDER BY last_at DESC, id DESC;

-- name: messages_before(name, before, limit)
-- The page is found first, by the index: a conversation may be long.
SELECT m.* FROM (
    SELECT id FROM messages
    WHERE conversation = (SELECT id FROM conversations WHERE name = :name) AND seq < :before AND kind = 'message'
    ORDER BY seq DESC
    LIMIT :limit
) AS page
JOIN message_details AS m ON m.id = page.id
ORDER BY m.seq DESC;

-- name: open_questions(name, now, limit)
-- Questions that can still be answered, by the clock; the newest first.
SELECT m.* FROM (
    (
        SELECT o.id FROM messages AS o
        WHERE o.conversation = (SELECT id FROM conversations WHERE name = :name) AND o.asks = 1 AND o.expires_at = 0
        ORDER BY o.id DESC LIMIT :limit
    )
    UNION ALL
    (
        SELECT o.id FROM messages AS o
        WHERE o.conversation = (SELECT id FROM conversations WHERE name = :name) AND o.asks = 1 AND o.expires_at > :now
        ORDER BY o.expires_at DESC LIMIT :limit
    )
) AS open
JOIN message_details AS m ON m.id = open.id
ORDER BY m.seq DESC
LIMIT :limit;

-- name: put_words(id, seq, terms)
-- The terms of a message stand between blanks.
INSERT INTO words (conversation, seq, terms)
SELECT id, seq, array_to_tsvector(string_to_array(terms, ' '))
FROM unnest(CAST(:id AS bigint[]), CAST(:seq AS bigint[]), CAST(:terms AS text[])) AS t (id, seq, terms)
ON CONFLICT (conversation, seq) DO UPDATE SET terms = excluded.terms;

-- name: delete_words(id, seq)
DELETE FROM words WHERE conversation = :id AND seq = :seq;

-- name: delete_words_of(id)
DELETE FROM words WHERE conversation = :id;

-- name: delete_all_words()
DELETE FROM words;

-- name: search_messages(terms, before, limit)
-- The matches before a message, the newest first; `terms` is a query of tsvector.
SELECT m.* FROM message_details AS m
JOIN (
    SELECT found.id FROM words AS w
    JOIN messages AS found ON found.conversation = w.conversation AND found.seq = w.seq
    WHERE w.terms @@ CAST(:terms AS tsquery) AND found.id < :before
    ORDER BY found.id DESC
    LIMIT :limit
) AS hit ON hit.id = m.id
ORDER BY m.id DESC;
