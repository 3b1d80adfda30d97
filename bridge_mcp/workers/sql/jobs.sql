-- name: fetch(queues, worker, most)
-- That a job was begun is on the disk before the first entry that its drive writes, and so before any effect.
SELECT job, conversation, deaths
FROM (SELECT set_config('synchronous_commit', 'off', true)) AS quick,
    bridge_fetch(%(queues)s::text[], %(worker)s, %(most)s)
ORDER BY job;

-- name: finish(jobs, conversations, workers)
-- In the order in which appends lock the rows of conversations.
SELECT job, bridge_finish(job, conversation, worker) AS done
FROM (
    SELECT t.job, t.conversation, t.worker
    FROM unnest(%(jobs)s::bigint[], %(conversations)s::text[], %(workers)s::bigint[]) AS t (job, conversation, worker)
    LEFT JOIN conversations AS c ON c.name = t.conversation
    ORDER BY c.id
) AS ending;

-- name: hand_back(job, worker, queue)
SELECT count(*) FILTER (WHERE bridge_hand_back(id, %(queue)s)) AS handed_back
FROM procrastinate_jobs WHERE id = %(job)s AND worker_id = %(worker)s;

-- name: hand_back_unknown(worker, known, queue)
SELECT count(*) FILTER (WHERE bridge_hand_back(id, %(queue)s)) AS handed_back
FROM (
    SELECT j.id FROM procrastinate_jobs AS j LEFT JOIN conversations AS c ON c.name = j.lock
    WHERE j.status = 'doing' AND j.worker_id = %(worker)s AND j.id <> ALL(%(known)s::bigint[]) ORDER BY c.id
) AS unknown;

-- name: sweep(stale_s, thorough, limit, stopped_s, worker)
-- First, for a sweep could wait for them, those are ended that have written and wait for their client in the middle of a
-- pipeline: such a process was stopped, and keeps its locks. For the server it is no idle transaction, and in no timeout.
SELECT handed_back, deferred, next_due, now, undone,
    EXISTS (SELECT FROM procrastinate_jobs WHERE status = 'todo') AS waiting,
    ARRAY(SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = %(worker)s::bigint) AS own
FROM (
    SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) AS undone FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND state = 'active' AND backend_xid IS NOT NULL
        AND wait_event = 'ClientRead' AND query NOT ILIKE 'COPY %%'
        AND query_start < clock_timestamp() - make_interval(secs => %(stopped_s)s)
) AS stopped, bridge_sweep(%(stale_s)s, %(thorough)s AND undone IS NOT NULL, %(limit)s);

-- name: defer_all(conversations, queue)
SELECT count(*) FILTER (WHERE bridge_defer_advance(name, %(queue)s)) AS deferred
FROM (SELECT name FROM conversations WHERE name = ANY(%(conversations)s::text[]) ORDER BY id) AS waiting;

-- name: heartbeat(worker)
SELECT procrastinate_update_heartbeat_v1(%(worker)s);

-- name: take_from_unknown_queues(known, queue)
-- Jobs that wait for a tool server which the configuration no longer has, or which each worker runs by now.
WITH taken AS (
    UPDATE procrastinate_jobs SET queue_name = %(queue)s
    WHERE status = 'todo' AND queue_name <> ALL(%(known)s::text[]) RETURNING id
)
SELECT count(*) AS taken FROM taken;
