-- Events that are posted to callbacks of clients (MCP Events), and which callbacks were asked whether they want them.

CREATE TABLE event_subscriptions (
    id TEXT PRIMARY KEY,
    client TEXT NOT NULL,
    scopes TEXT NOT NULL,               -- JSON: those that it had when it subscribed last
    event TEXT NOT NULL,
    arguments TEXT NOT NULL,            -- JSON
    url TEXT NOT NULL,
    host TEXT NOT NULL,
    secret TEXT NOT NULL,
    old_secret TEXT NOT NULL,           -- signs beside the new one for a while
    secret_at REAL NOT NULL,
    position INTEGER NOT NULL,          -- all events up to this cursor are delivered, or given up
    expires_at REAL NOT NULL,
    failures INTEGER NOT NULL,          -- in a row
    due_at REAL NOT NULL,
    last_error TEXT NOT NULL,
    failed_since REAL NOT NULL,
    delivered_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX event_subscriptions_by_client ON event_subscriptions (client);
CREATE INDEX event_subscriptions_by_host ON event_subscriptions (host);

CREATE TABLE event_callbacks (
    client TEXT NOT NULL,
    url TEXT NOT NULL,
    host TEXT NOT NULL,
    asked_at REAL NOT NULL,
    verified INTEGER NOT NULL,
    PRIMARY KEY (client, url)
) WITHOUT ROWID;
CREATE INDEX event_callbacks_by_host ON event_callbacks (host, asked_at);
