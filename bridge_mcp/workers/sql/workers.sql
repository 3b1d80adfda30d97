-- name: worker_lives(id, body, silent_s, gone_s)
SELECT body, since, seen FROM bridge_worker_lives(%(id)s, %(body)s::text::jsonb, %(silent_s)s, %(gone_s)s);

-- name: worker_leaves(id)
DELETE FROM workers WHERE id = %(id)s RETURNING id;
