-- Processes that run calls themselves (ports.Callers): each says every few seconds that it lives.

CREATE TABLE callers (
    name text PRIMARY KEY,
    seen double precision NOT NULL      -- epoch seconds, by this server's clock
);
