-- name: take_lease(name, holder)
SELECT bridge_take_lease(%(name)s, %(holder)s);

-- name: leave_lease(name)
SELECT pg_advisory_unlock(bridge_lease_key(%(name)s));

-- name: server_time()
SELECT bridge_now();
