-- name: leave_leases(left)
SELECT name, pg_advisory_unlock(bridge_lease_key(name)) AS unlocked FROM unnest(%(left)s::text[]) AS name;

-- name: take_leases(wanted, holder)
SELECT name, bridge_take_lease(name, %(holder)s) AS fence FROM unnest(%(wanted)s::text[]) AS name;

-- name: server_time()
SELECT bridge_now();
