-- What plain SQL changes has a new version too, and is announced. The programs bump versions
-- themselves and say so by the setting millrace.writes. Whoever changes content waits for the
-- programs' write lock, so that versions are committed in their order.

CREATE FUNCTION millrace_changed(portfolio BIGINT, first_id BIGINT, last_id BIGINT) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    newest BIGINT;
BEGIN
    PERFORM pg_advisory_xact_lock(7014721);
    UPDATE portfolios SET version = version + 1 WHERE id = portfolio RETURNING version INTO newest;
    IF FOUND THEN
        INSERT INTO changes (kind, object_id, version, first_chunk, last_chunk, at)
            VALUES ('portfolio', portfolio, newest, first_id, last_id,
                    (extract(epoch FROM clock_timestamp()) * 1000)::bigint);
    END IF;
END $$;

CREATE FUNCTION millrace_document_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.chunks > 0 THEN
        PERFORM millrace_changed(OLD.portfolio_id, OLD.first_chunk,
                                 OLD.first_chunk + OLD.chunks - 1);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM millrace_changed(NEW.portfolio_id, CASE WHEN NEW.chunks > 0 THEN NEW.first_chunk
            ELSE 0 END, CASE WHEN NEW.chunks > 0 THEN NEW.first_chunk + NEW.chunks - 1 ELSE 0 END);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER documents_of_others AFTER INSERT OR UPDATE OR DELETE ON documents FOR EACH ROW
    WHEN (current_setting('millrace.writes', true) IS DISTINCT FROM '1')
    EXECUTE FUNCTION millrace_document_changed();

-- A chunk whose document has gone was told of with it.
CREATE FUNCTION millrace_chunk_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    chunk chunks%ROWTYPE := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
BEGIN
    PERFORM millrace_changed(portfolio_id, chunk.id, chunk.id) FROM documents
        WHERE id = chunk.document_id;
    RETURN NULL;
END $$;
CREATE TRIGGER chunks_of_others AFTER INSERT OR UPDATE OR DELETE ON chunks FOR EACH ROW
    WHEN (current_setting('millrace.writes', true) IS DISTINCT FROM '1')
    EXECUTE FUNCTION millrace_chunk_changed();

CREATE FUNCTION millrace_vector_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    chunk BIGINT := CASE WHEN TG_OP = 'DELETE' THEN OLD.slot ELSE NEW.slot END / 2;
BEGIN
    PERFORM millrace_changed(d.portfolio_id, chunk, chunk) FROM documents d
        JOIN chunks c ON c.document_id = d.id WHERE c.id = chunk;
    RETURN NULL;
END $$;
CREATE TRIGGER vectors_of_others AFTER INSERT OR UPDATE OR DELETE ON vectors FOR EACH ROW
    WHEN (current_setting('millrace.writes', true) IS DISTINCT FROM '1')
    EXECUTE FUNCTION millrace_vector_changed();

-- An agent's row, or a portfolio's own, whose version was left as it was.
CREATE FUNCTION millrace_object_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7014721);
    NEW.version := OLD.version + 1;
    INSERT INTO changes (kind, object_id, version, first_chunk, last_chunk, at)
        VALUES (TG_ARGV[0], NEW.id, NEW.version, 0, 0,
                (extract(epoch FROM clock_timestamp()) * 1000)::bigint);
    RETURN NEW;
END $$;
CREATE TRIGGER agents_of_others BEFORE UPDATE ON agents FOR EACH ROW
    WHEN (current_setting('millrace.writes', true) IS DISTINCT FROM '1'
          AND NEW.version = OLD.version)
    EXECUTE FUNCTION millrace_object_changed('agent');
CREATE TRIGGER portfolios_of_others BEFORE UPDATE ON portfolios FOR EACH ROW
    WHEN (current_setting('millrace.writes', true) IS DISTINCT FROM '1'
          AND NEW.version = OLD.version)
    EXECUTE FUNCTION millrace_object_changed('portfolio');
