-- name: workers_alive(silent_s)
-- Those that said lately that they live, the longest there first.
SELECT CAST(body AS text), since, seen FROM workers
WHERE seen >= bridge_now() - :silent_s
ORDER BY since, id;

-- name: server_now()
SELECT bridge_now();

-- name: job_queue()
-- Conversations that wait for a worker, that one drives, and how long the first has been due.
SELECT
    count(*) FILTER (WHERE status = 'todo'),
    count(*) FILTER (WHERE status = 'doing'),
    coalesce(bridge_now() - (
        SELECT min(c.due_since) FROM conversations AS c
        WHERE c.wake_at = 0 AND c.name IN (SELECT queueing_lock FROM procrastinate_jobs WHERE status = 'todo')
    ), 0)::double precision
FROM procrastinate_jobs WHERE status IN ('todo', 'doing');

-- name: end_stopped(stopped_s)
-- What each sweep of a worker begins with (`workers/sql/jobs.sql`), for where none works: nobody else ends a transaction
-- whose process was stopped in the middle of a pipeline.
SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND state = 'active' AND backend_xid IS NOT NULL
    AND wait_event = 'ClientRead' AND query NOT ILIKE 'COPY %'
    AND query_start < clock_timestamp() - make_interval(secs => :stopped_s);
