-- Portfolios that are too large for a retriever's memory are searched here. Each has partitions of its
-- own, with an index of its own: a filter over a common one would silently find too few. They are
-- made aside, filled, indexed and attached in one transaction; there is no default partition. What
-- they hold follows from chunks and vectors, and says up to which version of the portfolio it does.

CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE rag_embedding (
    portfolio_id BIGINT NOT NULL,
    chunk_id BIGINT NOT NULL,
    length BIGINT NOT NULL,                     -- in terms
    embedding vector                            -- of as many dimensions as the embedder's; NULL: none yet
) PARTITION BY LIST (portfolio_id);

CREATE TABLE rag_posting (
    portfolio_id BIGINT NOT NULL,
    chunk_id BIGINT NOT NULL,
    term TEXT NOT NULL,
    count BIGINT NOT NULL,
    length BIGINT NOT NULL                      -- of the chunk
) PARTITION BY LIST (portfolio_id);

CREATE TABLE rag_searched (
    portfolio_id BIGINT PRIMARY KEY,
    version BIGINT NOT NULL,                    -- of the portfolio that is searched
    embedder TEXT NOT NULL,
    chunks BIGINT NOT NULL,
    terms BIGINT NOT NULL                       -- of all of them
);
