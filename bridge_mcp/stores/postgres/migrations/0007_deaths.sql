-- A job tells how many workers in a row died with it while its conversation went no further: whoever drives it next ends
-- the turn, before it has ended all workers. Messages are no progress: people go on writing.
--
-- Rows of conversations are locked in the order in which appends lock theirs: two hundred timers that were due at once had
-- dozens of deadlocks with people's messages.

CREATE OR REPLACE FUNCTION bridge_sweep(
    _stale_s double precision, _thorough boolean, _limit integer,
    OUT handed_back integer, OUT deferred integer, OUT next_due double precision, OUT now double precision
) LANGUAGE plpgsql AS $$
DECLARE
    _job bigint;
    _conversation text;
    _deaths integer;
    _progress bigint;
BEGIN
    handed_back := 0;
    deferred := 0;
    FOR _job, _conversation, _deaths, _progress IN
        SELECT j.id, c.name, CASE WHEN (j.args ->> 'progress')::bigint = c.head - c.messages
            THEN (j.args ->> 'deaths')::integer + 1 ELSE 1 END, c.head - c.messages
        FROM procrastinate_jobs AS j
        LEFT JOIN procrastinate_workers AS w ON w.id = j.worker_id
        LEFT JOIN conversations AS c ON c.name = j.lock
        WHERE j.status = 'doing' AND (w.id IS NULL OR w.last_heartbeat < clock_timestamp() - make_interval(secs => _stale_s))
        ORDER BY c.id LIMIT _limit
    LOOP
        IF bridge_hand_back(_job, 'advance') THEN
            handed_back := handed_back + 1;
            UPDATE procrastinate_jobs SET args = args || jsonb_build_object('deaths', _deaths, 'progress', _progress)
            WHERE queueing_lock = _conversation AND status = 'todo';
        END IF;
    END LOOP;
    now := bridge_now();
    FOR _conversation IN
        SELECT c.name FROM (
            SELECT id, name FROM conversations WHERE wake_at > 0 AND wake_at <= now
            UNION ALL
            SELECT id, name FROM conversations WHERE _thorough AND wake_at = 0
        ) AS c
        WHERE NOT EXISTS (SELECT FROM procrastinate_jobs WHERE queueing_lock = c.name AND status = 'todo')
            AND NOT EXISTS (SELECT FROM procrastinate_jobs WHERE lock = c.name AND status = 'doing')
        ORDER BY c.id LIMIT _limit
    LOOP
        IF bridge_defer_advance(_conversation, 'advance') THEN
            deferred := deferred + 1;
        END IF;
    END LOOP;
    SELECT min(wake_at) INTO next_due FROM conversations WHERE wake_at > 0 AND wake_at > now;
END;
$$;

-- As before, and with each job the workers that have died with it.
DROP FUNCTION bridge_fetch(text[], bigint, integer);
CREATE FUNCTION bridge_fetch(_queues text[], _worker bigint, _most integer)
RETURNS TABLE (job bigint, conversation text, deaths integer) LANGUAGE sql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
    WITH found AS (
        SELECT j.id FROM procrastinate_jobs AS j
        WHERE j.status = 'todo' AND j.queue_name = ANY(_queues) AND (j.scheduled_at IS NULL OR j.scheduled_at <= now())
            AND NOT EXISTS (SELECT FROM procrastinate_jobs AS d WHERE d.lock = j.lock AND d.status = 'doing')
        ORDER BY j.priority DESC, j.id
        LIMIT _most
        FOR UPDATE OF j SKIP LOCKED
    )
    UPDATE procrastinate_jobs AS j SET status = 'doing', worker_id = _worker
    FROM found WHERE j.id = found.id
    RETURNING j.id, j.lock, coalesce((j.args ->> 'deaths')::integer, 0)
$$;
