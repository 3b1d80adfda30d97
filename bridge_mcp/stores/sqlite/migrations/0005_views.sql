-- Rows as they are read, written down once. A view stores nothing, and costs nothing where its columns are not asked for.

CREATE VIEW conversation_details AS
SELECT
    c.name, c.channel, c.title, c.responder, c.messages, c.last_at, c.last_text, c.head,
    (SELECT max(m.seq) FROM messages AS m WHERE m.conversation = c.id AND m.asks = 1) AS question,
    c.id
FROM conversations AS c;

-- Where a conversation is: of `channel/chat/thread`, `chat` is `channel/chat`.
CREATE VIEW conversation_places AS
SELECT
    id, name, channel,
    substr(name, 1, instr(name || '/', '/') + instr(substr(name, instr(name || '/', '/') + 1) || '/', '/') - 1) AS chat
FROM conversations;

CREATE VIEW message_details AS
SELECT
    c.name, m.seq, l.at, l.body, m.status, m.reason, m.platform_ids, m.attempts, m.parts, m.asks,
    e.body AS later,                    -- of the entry with its latest text
    m.id, m.kind
FROM messages AS m
JOIN conversations AS c ON c.id = m.conversation
JOIN log AS l ON l.conversation = m.conversation AND l.seq = m.seq
LEFT JOIN log AS e ON e.conversation = m.conversation AND e.seq = m.edited;

CREATE VIEW approval_details AS
SELECT
    c.name, a.asked, asked.at AS asked_at, asked.body AS asked_body,
    a.judged, judged.at AS judged_at, judged.body AS judged_body,
    a.id, a.tool, a.status, a.number, c.channel, c.chat
FROM approvals AS a
JOIN conversation_places AS c ON c.id = a.conversation
JOIN log AS asked ON asked.conversation = a.conversation AND asked.seq = a.asked
LEFT JOIN log AS judged ON judged.conversation = a.conversation AND judged.seq = a.judged;

CREATE VIEW event_details AS
SELECT
    e.cursor, e.type, e.conversation, e.seq, coalesce(e.at, l.at) AS at, coalesce(e.body, l.body) AS body,
    substr(e.conversation, 1, instr(e.conversation || '/', '/') - 1) AS channel,
    substr(
        e.conversation, 1,
        instr(e.conversation || '/', '/') + instr(substr(e.conversation, instr(e.conversation || '/', '/') + 1) || '/', '/') - 1
    ) AS chat
FROM events AS e
LEFT JOIN conversations AS c ON c.name = e.conversation
LEFT JOIN log AS l ON l.conversation = c.id AND l.seq = e.seq;
