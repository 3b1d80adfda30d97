-- What many processes need to share the work: leases, workers, and jobs that are made where they arise.

CREATE TABLE leases (
    name text PRIMARY KEY,              -- 'channel:NAME', 'server:NAME', 'bridge'
    fence bigint NOT NULL,              -- grows each time it changes hands
    holder text NOT NULL,
    since double precision NOT NULL     -- epoch seconds
);

CREATE TABLE workers (
    id text PRIMARY KEY,
    since double precision NOT NULL,    -- epoch seconds, by this server's clock: in the order in which they came
    seen double precision NOT NULL,
    body jsonb NOT NULL                 -- ports.WorkerInfo
);

CREATE FUNCTION bridge_now() RETURNS double precision LANGUAGE sql VOLATILE AS $$
    SELECT extract(epoch FROM clock_timestamp())::double precision
$$;

-- A job for a conversation, unless one waits already; whether it was made.
--
-- All of them are made under the lock of the conversation's row, so that this is a plain look. The second statement has
-- a snapshot of its own, and sees what the lock has waited for.
CREATE FUNCTION bridge_defer_advance(_conversation text, _queue text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM conversations WHERE name = _conversation FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM procrastinate_jobs WHERE queueing_lock = _conversation AND status = 'todo') THEN
        RETURN false;
    END IF;
    PERFORM procrastinate_defer_jobs_v1(ARRAY[
        ROW(
            _queue, 'advance', 0, _conversation, _conversation,
            jsonb_build_object('conversation', _conversation), NULL
        )::procrastinate_job_to_defer_v1
    ]);
    RETURN true;
END;
$$;

CREATE FUNCTION bridge_conversation_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM bridge_defer_advance(NEW.name, 'advance');
    RETURN NULL;
END;
$$;

-- In the transaction that makes a conversation due there is a job for it, whoever it is that writes.
CREATE TRIGGER conversation_begins_due AFTER INSERT ON conversations
    FOR EACH ROW WHEN (NEW.wake_at = 0) EXECUTE FUNCTION bridge_conversation_due();

CREATE TRIGGER conversation_becomes_due AFTER UPDATE OF wake_at ON conversations
    FOR EACH ROW WHEN (NEW.wake_at = 0 AND OLD.wake_at IS DISTINCT FROM 0) EXECUTE FUNCTION bridge_conversation_due();

-- End a job whose conversation has nothing to do now; false, and it goes on, where it has.
--
-- It waits for an append that is under way. One that comes later finds no job that waits, and makes one.
CREATE FUNCTION bridge_finish(_job bigint, _conversation text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    _wake_at double precision;
BEGIN
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

-- End a job that was begun and is not done, and make a fresh one in its place; false where somebody else has.
--
-- Never `retry_job`: it would meet the job that waits, and leave both locks held. The conversation's row is locked
-- before the job's, here as above.
CREATE FUNCTION bridge_hand_back(_job bigint, _queue text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    _conversation text;
BEGIN
    SELECT lock INTO _conversation FROM procrastinate_jobs WHERE id = _job AND status = 'doing';
    PERFORM FROM conversations WHERE name = _conversation FOR NO KEY UPDATE;
    PERFORM FROM procrastinate_jobs WHERE id = _job AND status = 'doing' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM procrastinate_finish_job_v1(_job, 'failed', true);
    PERFORM bridge_defer_advance(_conversation, _queue);
    RETURN true;
END;
$$;

-- What every worker looks for: jobs of workers that are gone, and conversations that are due and have no job.
--
-- `next_due` is when the next conversation becomes due by itself.
CREATE FUNCTION bridge_sweep(
    _stale_s double precision, _thorough boolean, _limit integer,
    OUT handed_back integer, OUT deferred integer, OUT next_due double precision, OUT now double precision
) LANGUAGE plpgsql AS $$
DECLARE
    _job bigint;
    _conversation text;
BEGIN
    handed_back := 0;
    deferred := 0;
    FOR _job IN
        SELECT j.id FROM procrastinate_jobs AS j
        LEFT JOIN procrastinate_workers AS w ON w.id = j.worker_id
        WHERE j.status = 'doing' AND (w.id IS NULL OR w.last_heartbeat < clock_timestamp() - make_interval(secs => _stale_s))
        ORDER BY j.id LIMIT _limit
    LOOP
        IF bridge_hand_back(_job, 'advance') THEN
            handed_back := handed_back + 1;
        END IF;
    END LOOP;
    now := bridge_now();
    FOR _conversation IN
        SELECT c.name FROM (
            SELECT name FROM conversations WHERE wake_at > 0 AND wake_at <= now
            UNION ALL
            SELECT name FROM conversations WHERE _thorough AND wake_at = 0
        ) AS c
        WHERE NOT EXISTS (SELECT FROM procrastinate_jobs WHERE queueing_lock = c.name AND status = 'todo')
            AND NOT EXISTS (SELECT FROM procrastinate_jobs WHERE lock = c.name AND status = 'doing')
        ORDER BY c.name LIMIT _limit
    LOOP
        IF bridge_defer_advance(_conversation, 'advance') THEN
            deferred := deferred + 1;
        END IF;
    END LOOP;
    SELECT min(wake_at) INTO next_due FROM conversations WHERE wake_at > 0 AND wake_at > now;
END;
$$;

-- The fencing number of a lease that is now this session's; NULL where another session has it.
--
-- The lock is the session's: it is free once the connection is gone, and the server ends one that is silent.
CREATE FUNCTION bridge_take_lease(_name text, _holder text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    _fence bigint;
BEGIN
    IF NOT pg_try_advisory_lock(bridge_lease_key(_name)) THEN
        RETURN NULL;
    END IF;
    INSERT INTO leases (name, fence, holder, since) VALUES (_name, 1, _holder, bridge_now())
    ON CONFLICT (name) DO UPDATE SET fence = leases.fence + 1, holder = excluded.holder, since = excluded.since
    RETURNING fence INTO _fence;
    RETURN _fence;
END;
$$;

-- Several bridges in one database live in a schema each.
CREATE FUNCTION bridge_lease_key(_name text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT hashtextextended(current_schema() || '/bridge-mcp/lease/' || _name, 0)
$$;

-- A worker says that it lives; answered are all that do, itself too, the longest there first.
--
-- One after the other, so that of two that come at the same time the later one sees the earlier one. Who was silent for
-- so long that others took it for dead comes anew.
CREATE FUNCTION bridge_worker_lives(_id text, _body jsonb, _silent_s double precision, _gone_s double precision)
RETURNS TABLE (body jsonb, since double precision, seen double precision) LANGUAGE plpgsql AS $$
DECLARE
    _now double precision;
BEGIN
    PERFORM pg_advisory_xact_lock(bridge_lease_key('workers'));
    _now := bridge_now();
    INSERT INTO workers AS w (id, since, seen, body) VALUES (_id, _now, _now, _body)
    ON CONFLICT (id) DO UPDATE SET
        since = CASE WHEN w.seen < _now - _silent_s THEN _now ELSE w.since END,
        seen = _now,
        body = excluded.body;
    DELETE FROM workers AS w WHERE w.seen < _now - _gone_s;
    RETURN QUERY SELECT w.body, w.since, w.seen FROM workers AS w WHERE w.seen >= _now - _silent_s ORDER BY w.since, w.id;
END;
$$;
