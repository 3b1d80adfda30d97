-- name: subscription(id)
SELECT
    id, client, scopes, event, arguments, url, host, secret, old_secret, secret_at,
    position, expires_at, failures, due_at, last_error, failed_since, delivered_at
FROM event_subscriptions
WHERE id = :id;

-- name: subscription_ids()
SELECT id FROM event_subscriptions ORDER BY id;

-- name: failing_subscriptions(client, limit)
SELECT
    id, client, scopes, event, arguments, url, host, secret, old_secret, secret_at,
    position, expires_at, failures, due_at, last_error, failed_since, delivered_at
FROM event_subscriptions
WHERE failed_since > 0 AND (:client = '' OR client = :client)
ORDER BY failed_since, id
LIMIT :limit;

-- name: count_failing(client)
SELECT count(*) FROM event_subscriptions WHERE failed_since > 0 AND (:client = '' OR client = :client);

-- name: count_subscriptions(client, host, but)
-- All of them, those of a client, and those at a host; one is left out.
SELECT count(*), count(*) FILTER (WHERE client = :client), count(*) FILTER (WHERE host = :host) FROM event_subscriptions
WHERE id <> :but;

-- name: put_subscription(id, client, scopes, event, arguments, url, host, secret, old_secret, secret_at, position, expires_at)
-- One that is there keeps its position: everything after it is still to be delivered.
INSERT INTO event_subscriptions (
    id, client, scopes, event, arguments, url, host, secret, old_secret, secret_at,
    position, expires_at, failures, due_at, last_error, failed_since, delivered_at
) VALUES (
    :id, :client, :scopes, :event, :arguments, :url, :host, :secret, :old_secret, :secret_at,
    :position, :expires_at, 0, 0, '', 0, 0
)
ON CONFLICT (id) DO UPDATE SET
    scopes = excluded.scopes,
    old_secret = CASE
        WHEN event_subscriptions.secret = excluded.secret THEN event_subscriptions.old_secret
        ELSE event_subscriptions.secret
    END,
    secret_at = CASE
        WHEN event_subscriptions.secret = excluded.secret THEN event_subscriptions.secret_at ELSE excluded.secret_at
    END,
    secret = excluded.secret,
    expires_at = excluded.expires_at,
    failures = 0,
    due_at = 0;

-- name: delete_subscription(id)
DELETE FROM event_subscriptions WHERE id = :id;

-- name: delete_expired_subscriptions(now)
DELETE FROM event_subscriptions WHERE expires_at <= :now;

-- name: delete_subscriptions_of(client)
DELETE FROM event_subscriptions WHERE client = :client;

-- name: subscription_delivered(id, position, at)
UPDATE event_subscriptions
SET position = max(position, :position), failures = 0, due_at = 0, last_error = '', failed_since = 0,
    delivered_at = :at
WHERE id = :id;

-- name: subscription_passed(id, position)
UPDATE event_subscriptions SET position = max(position, :position) WHERE id = :id;

-- name: subscription_failed(id, error, due_at, at)
UPDATE event_subscriptions
SET failures = failures + 1, due_at = :due_at, last_error = :error,
    failed_since = CASE failed_since WHEN 0 THEN :at ELSE failed_since END
WHERE id = :id;

-- name: callback_is_verified(client, url)
SELECT verified FROM event_callbacks WHERE client = :client AND url = :url;

-- name: count_asked_callbacks(client, host, since)
-- How many verifications were begun since then: for a client, and at a host.
SELECT count(*) FILTER (WHERE client = :client), count(*) FILTER (WHERE host = :host) FROM event_callbacks
WHERE asked_at > :since AND (client = :client OR host = :host);

-- name: ask_callback(client, url, host, at)
INSERT INTO event_callbacks (client, url, host, asked_at, verified) VALUES (:client, :url, :host, :at, 0)
ON CONFLICT (client, url) DO UPDATE SET asked_at = excluded.asked_at;

-- name: callback_asked_at(client, url)
SELECT asked_at FROM event_callbacks WHERE client = :client AND url = :url;

-- name: verify_callback(client, url)
UPDATE event_callbacks SET verified = 1 WHERE client = :client AND url = :url;

-- name: delete_callbacks_of(client)
DELETE FROM event_callbacks WHERE client = :client;

-- name: delete_old_callbacks(before)
DELETE FROM event_callbacks
WHERE asked_at < :before
    AND NOT EXISTS (SELECT 1 FROM event_subscriptions AS s WHERE s.client = event_callbacks.client AND s.url = event_callbacks.url);
