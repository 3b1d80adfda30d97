-- A grant is looked for by its tool and place, and what has ended is found without reading the rest.
CREATE INDEX grants_by_tool ON grants (tool, conversation, created_at, id);
CREATE INDEX grants_ending ON grants (expires_at) WHERE expires_at > 0;
