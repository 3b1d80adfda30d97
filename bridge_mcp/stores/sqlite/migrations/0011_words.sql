-- The words of a text come from core/words.py, as for every store: the index takes them as they are, and holds no places.
-- It begins anew: the next searches take the messages in.
DROP TABLE words;
CREATE VIRTUAL TABLE words USING fts5 (
    text, place, content = '', columnsize = 0, detail = column, tokenize = 'ascii'
);
DELETE FROM indexed;
INSERT INTO indexed (upto) VALUES (0);
