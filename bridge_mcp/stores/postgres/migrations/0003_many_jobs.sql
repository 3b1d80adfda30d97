-- Jobs of many conversations at once: made by one statement, told of by one notice, fetched and ended together.

DROP TRIGGER conversation_begins_due ON conversations;
DROP TRIGGER conversation_becomes_due ON conversations;
DROP FUNCTION bridge_conversation_due();

-- Jobs for the conversations that a statement has made due, but for those that have one that waits.
--
-- The statement holds the locks of their rows, and this one has a snapshot of its own: it sees what those waited for.
CREATE FUNCTION bridge_conversations_due() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    _due text[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(name ORDER BY due_since, id) INTO _due FROM after WHERE wake_at = 0;
    ELSE
        SELECT array_agg(a.name ORDER BY a.due_since, a.id) INTO _due
        FROM after AS a JOIN before AS b ON b.id = a.id
        WHERE a.wake_at = 0 AND b.wake_at IS DISTINCT FROM 0;
    END IF;
    IF _due IS NOT NULL THEN
        PERFORM procrastinate_defer_jobs_v1(array_agg(
            ROW('advance', 'advance', 0, name, name, jsonb_build_object('conversation', name), NULL)::procrastinate_job_to_defer_v1
        ))
        FROM unnest(_due) AS name
        WHERE NOT EXISTS (SELECT FROM procrastinate_jobs WHERE queueing_lock = name AND status = 'todo')
        HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END;
$$;

-- In the transaction that makes a conversation due there is a job for it, whoever it is that writes.
CREATE TRIGGER conversations_begin_due AFTER INSERT ON conversations
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION bridge_conversations_due();

CREATE TRIGGER conversations_become_due AFTER UPDATE ON conversations
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION bridge_conversations_due();

-- Procrastinate tells of each job twice, and writes down each of its states. One notice for a commit will do, and
-- nobody reads the states: a job is deleted when it ends.
ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1;
ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_trigger_status_events_insert_v1;
ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_trigger_status_events_update_v1;

CREATE FUNCTION bridge_tell_of_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('procrastinate_any_queue_v1', '{"type": "job_inserted", "job_id": 0}');
    RETURN NULL;
END;
$$;

CREATE TRIGGER bridge_jobs_made AFTER INSERT ON procrastinate_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION bridge_tell_of_jobs();

-- They come and go: an index that is full of those that went is slow.
ALTER TABLE procrastinate_jobs SET (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500, autovacuum_analyze_threshold = 500
);

-- Begin jobs of these queues, at most so many: what `procrastinate_fetch_job_v2` does, for several at once.
--
-- Only a job under way holds one back: of those that wait there is one for each lock.
CREATE FUNCTION bridge_fetch(_queues text[], _worker bigint, _most integer)
RETURNS TABLE (job bigint, conversation text) LANGUAGE sql AS $$
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
    RETURNING j.id, j.lock
$$;

-- As before. That a job has ended need not be on the disk: after a crash of the server it is handed back, and the
-- conversation looked at once more.
CREATE OR REPLACE FUNCTION bridge_finish(_job bigint, _conversation text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    _wake_at double precision;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT wake_at INTO _wake_at FROM conversations WHERE name = _conversation FOR NO KEY UPDATE;
    IF _wake_at <= bridge_now() THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM procrastinate_jobs WHERE id = _job AND status = 'doing') THEN
        PERFORM procrastinate_finish_job_v1(_job, 'succeeded', true);
    END IF;
    RETURN true;
END;
$$;
