-- name: status_get(name)
SELECT body FROM engine_status WHERE name = :name;

-- name: status_several(names)
SELECT name, body FROM engine_status WHERE name IN (SELECT value FROM json_each(:names));

-- name: status_put(name, body)
INSERT INTO engine_status (name, body) VALUES (:name, :body) ON CONFLICT (name) DO UPDATE SET body = excluded.body;

-- name: secret(name)
SELECT value FROM secrets WHERE name = :name;

-- name: insert_secret(name, value)
-- Nothing happens where it is there: another process was first.
INSERT INTO secrets (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING;

-- name: tool_pins(subject)
SELECT body FROM tool_pins WHERE subject = :subject;

-- name: set_tool_pins(subject, body)
INSERT INTO tool_pins (subject, body) VALUES (:subject, :body) ON CONFLICT (subject) DO UPDATE SET body = excluded.body;

-- name: accepted_tool(tool)
SELECT digest, by FROM accepted_tools WHERE tool = :tool;

-- name: accept_tool(tool, digest, by)
INSERT INTO accepted_tools (tool, digest, by) VALUES (:tool, :digest, :by)
ON CONFLICT (tool) DO UPDATE SET digest = excluded.digest, by = excluded.by;
