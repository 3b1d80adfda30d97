-- Conversations that one client has for itself for a while.

CREATE TABLE claims (
    conversation TEXT PRIMARY KEY,
    client TEXT NOT NULL,
    until REAL NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX claims_by_client ON claims (client);
