-- A backup that is restored takes versions back. They would be given out again, for other content, and
-- caches, in Redis and in gateways that went on, would answer with what they kept under them. So the
-- database says where it lies; one that finds itself elsewhere has been restored, and its versions go on
-- from the time in milliseconds, which none has reached by counting.

-- Server, its history (another one after a fail-over, which may have lost commits), database, table.
CREATE FUNCTION millrace_place() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT concat_ws('/', s.system_identifier, c.timeline_id, d.oid, to_regclass('agents')::oid)
        FROM pg_control_system() s, pg_control_checkpoint() c, pg_database d
        WHERE d.datname = current_database()
$$;

-- One that had content before it could tell may be a restored one, too.
CREATE TABLE millrace_origin (
    place TEXT NOT NULL
);
INSERT INTO millrace_origin
    SELECT CASE WHEN EXISTS (SELECT FROM changes) THEN '' ELSE millrace_place() END;

-- Whoever connects asks. The version that all went on to, or 0 where nothing was restored. Objects that are
-- made from now on begin there, for they may get the id of one that is lost; changes are told anew, under
-- numbers that nobody has seen.
CREATE FUNCTION millrace_restored() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    now_ms BIGINT := (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
BEGIN
    IF (SELECT place FROM millrace_origin) = millrace_place() THEN
        RETURN 0;
    END IF;
    PERFORM pg_advisory_xact_lock(7014721);
    UPDATE millrace_origin SET place = millrace_place() WHERE place <> millrace_place();
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    UPDATE rag_searched s SET version = greatest(s.version + 1, now_ms),
        made = greatest(s.version + 1, now_ms) FROM portfolios p -- who has its terms reads them anew
        WHERE p.id = s.portfolio_id AND p.version = s.version AND made > 0;
    UPDATE portfolios SET version = greatest(version + 1, now_ms);
    UPDATE agents SET version = greatest(version + 1, now_ms);
    EXECUTE format('ALTER TABLE portfolios ALTER version SET DEFAULT %s', now_ms);
    EXECUTE format('ALTER TABLE agents ALTER version SET DEFAULT %s', now_ms);
    PERFORM setval(pg_get_serial_sequence('changes', 'seq'), now_ms);
    INSERT INTO changes (kind, object_id, version, first_chunk, last_chunk, at)
        SELECT 'portfolio', id, version, 0, 0, now_ms FROM portfolios
        UNION ALL SELECT 'agent', id, version, 0, 0, now_ms FROM agents;
    RETURN now_ms;
END $$;
