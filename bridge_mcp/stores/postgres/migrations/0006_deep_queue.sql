-- Of many jobs that wait the first ones are fetched by their index, whatever the planner knows of the table: it is empty
-- at most times, and where statistics say so a fetch from 10,000 jobs sorted all of them (8 ms and not 0.3).
ALTER FUNCTION bridge_fetch(text[], bigint, integer)
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
    SET enable_hashjoin = off SET enable_mergejoin = off;
