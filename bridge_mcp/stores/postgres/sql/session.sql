-- name: begun()
-- The transaction's own number, by which its fate can be asked, the schema's version, and since when the server runs.
SELECT CAST(pg_current_xact_id() AS text), version, CAST(pg_postmaster_start_time() AS text) FROM bridge_mcp_schema;

-- name: set_for_transaction()
-- What `connecting.SETTINGS` sets a session to, where the next transaction may have another session.
SELECT set_config('idle_in_transaction_session_timeout', '2s', true), set_config('lock_timeout', '20s', true);

-- name: fate(transaction)
SELECT pg_xact_status(CAST(:transaction AS xid8)), CAST(pg_postmaster_start_time() AS text);

-- name: is_entry(id, seq, salt)
SELECT EXISTS (SELECT 1 FROM log WHERE conversation = :id AND seq = :seq AND salt = :salt);

-- name: lock_for(what)
SELECT pg_advisory_xact_lock(hashtext('bridge_mcp'), hashtext(:what));

-- name: lease_fence(name)
-- Locked: whoever takes the lease over waits for the commit, and then this has been stored, or sees the other number.
SELECT fence FROM leases WHERE name = :name FOR SHARE;

-- name: notify(channel, payload)
SELECT pg_notify(:channel, :payload);

-- name: read_all()
SELECT count(*), sum(length(body)) FROM log
UNION ALL
SELECT count(*), sum(length(status)) FROM messages
UNION ALL
SELECT count(*), sum(length(last_text)) FROM conversations
UNION ALL
SELECT count(*), sum(length(terms)) FROM words
UNION ALL
SELECT count(*), sum(length(type)) FROM events;
