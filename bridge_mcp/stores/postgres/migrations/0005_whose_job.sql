-- A job is ended by the worker that has it; whoever was given up, and goes on late, leaves it and its conversation alone.

-- True: there is nothing to do here, for the job is ended or not this worker's; false: it is, and there is something.
--
-- The conversation's row is locked before the job's, as everywhere. The function without a worker stays for workers of
-- an earlier version, which end by themselves once they write: until then they are to let their jobs go.
CREATE FUNCTION bridge_finish(_job bigint, _conversation text, _worker bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    _wake_at double precision;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT wake_at INTO _wake_at FROM conversations WHERE name = _conversation FOR NO KEY UPDATE;
    PERFORM FROM procrastinate_jobs WHERE id = _job AND status = 'doing' AND worker_id = _worker FOR UPDATE;
    IF NOT FOUND THEN
        RETURN true;
    END IF;
    IF _wake_at <= bridge_now() THEN
        RETURN false;
    END IF;
    PERFORM procrastinate_finish_job_v1(_job, 'succeeded', true);
    RETURN true;
END;
$$;

-- As before, but whoever waits for the row's lock waits briefly: for as long it neither keeps what it holds already nor
-- says that it lives. NULL, too, where the row is locked, by a transaction of whoever had the lease before.
CREATE OR REPLACE FUNCTION bridge_take_lease(_name text, _holder text) RETURNS bigint LANGUAGE plpgsql
SET lock_timeout = '200ms' AS $$
DECLARE
    _fence bigint;
BEGIN
    IF NOT pg_try_advisory_lock(bridge_lease_key(_name)) THEN
        RETURN NULL;
    END IF;
    BEGIN
        INSERT INTO leases (name, fence, holder, since) VALUES (_name, 1, _holder, bridge_now())
        ON CONFLICT (name) DO UPDATE SET fence = leases.fence + 1, holder = excluded.holder, since = excluded.since
        RETURNING fence INTO _fence;
    EXCEPTION WHEN lock_not_available THEN
        PERFORM pg_advisory_unlock(bridge_lease_key(_name));
        RETURN NULL;
    END;
    RETURN _fence;
END;
$$;
