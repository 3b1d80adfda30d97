-- Reads that do not grow with a log, questions that expire, and words of scripts without spaces.

-- The lowest entry that `decide` needs, NULL where it needs none before the next one (core/state.py), and the last
-- message for the assistant, and the last clearing. For old logs `unsettled` may be lower than it must be; the next reply
-- puts that right.
ALTER TABLE conversations ADD COLUMN unsettled INTEGER;
ALTER TABLE conversations ADD COLUMN heard INTEGER NOT NULL DEFAULT -1;
ALTER TABLE conversations ADD COLUMN cleared INTEGER NOT NULL DEFAULT -1;

UPDATE conversations SET cleared = coalesce((
    SELECT max(l.seq) FROM log AS l
    WHERE l.conversation = conversations.id AND l.body LIKE '{"v":1,"kind":"Cleared"%'
), -1);

UPDATE conversations SET heard = coalesce((
    SELECT max(l.seq) FROM log AS l
    WHERE l.conversation = conversations.id AND l.body LIKE '{"v":1,"kind":"Heard",%'
        AND CASE WHEN json_valid(l.body) THEN
            json_extract(l.body, '$.to') IS NULL AND json_extract(l.body, '$.answers') IS NULL
        ELSE 1 END
), -1);

CREATE TABLE borders AS
SELECT conversation, max(seq) AS seq FROM log
WHERE body LIKE '{"v":1,"kind":"Cleared"%' OR body LIKE '{"v":1,"kind":"Requested"%'
    OR body LIKE '{"v":1,"kind":"Replied"%' OR body LIKE '{"v":1,"kind":"Stopped"%'
GROUP BY conversation;
CREATE UNIQUE INDEX borders_by_conversation ON borders (conversation);

UPDATE conversations SET unsettled = 0
WHERE heard >= 0 OR EXISTS (
    SELECT 1 FROM log AS l WHERE l.conversation = conversations.id AND l.body LIKE '{"v":1,"kind":"Scheduled"%'
);
UPDATE conversations SET unsettled = (
    SELECT CASE
        WHEN NOT json_valid(l.body) THEN 0
        WHEN json_extract(l.body, '$.kind') = 'Requested' THEN b.seq
        WHEN json_extract(l.body, '$.kind') = 'Cleared' THEN CASE WHEN conversations.heard > b.seq THEN b.seq END
        WHEN json_extract(l.body, '$.calls') IS NOT NULL
            THEN max(0, min(coalesce(json_extract(l.body, '$.turn'), 0), coalesce(json_extract(l.body, '$.upto'), 0)))
        WHEN conversations.heard >= coalesce(json_extract(l.body, '$.upto'), 0)
            THEN coalesce(json_extract(l.body, '$.upto'), 0)
    END
    FROM borders AS b JOIN log AS l ON l.conversation = b.conversation AND l.seq = b.seq
    WHERE b.conversation = conversations.id
)
WHERE id IN (SELECT conversation FROM borders);
DROP TABLE borders;

-- Of a question: until when it can be answered (0 for ever), and the entry that answered it.
ALTER TABLE messages ADD COLUMN expires_at REAL NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN answered INTEGER;

UPDATE messages SET expires_at = coalesce((
    SELECT CASE WHEN json_valid(l.body) THEN json_extract(l.body, '$.question.expires_at') END
    FROM log AS l WHERE l.conversation = messages.conversation AND l.seq = messages.seq
), 0)
WHERE asks = 1;

CREATE TABLE answers AS
SELECT conversation, CASE WHEN json_valid(body) THEN json_extract(body, '$.answers') END AS asked, min(seq) AS seq
FROM log WHERE body LIKE '{"v":1,"kind":"Heard",%"answers":%'
GROUP BY 1, 2;
CREATE INDEX answers_by_question ON answers (conversation, asked);
UPDATE messages SET answered = (
    SELECT a.seq FROM answers AS a WHERE a.conversation = messages.conversation AND a.asked = messages.seq
)
WHERE (conversation, seq) IN (SELECT conversation, asked FROM answers);
DROP TABLE answers;

CREATE INDEX messages_open ON messages (conversation, expires_at) WHERE asks = 1;

-- All words are indexed anew, from the latest texts.
INSERT INTO words (words) VALUES ('delete-all');
UPDATE indexed SET upto = 0;
