-- The terms of each portfolio that is searched here, so that its questions are read as those of one in
-- memory: misspelt words, synonyms, joined words need to know what terms there are. A chunk's
-- language is a term of its postings too: ':en', which no word can be.

CREATE TABLE rag_term (
    portfolio_id BIGINT NOT NULL,
    term TEXT NOT NULL,
    chunks BIGINT NOT NULL,                     -- that have it; 0: none any more
    version BIGINT NOT NULL,                    -- of the portfolio, when that was last changed
    PRIMARY KEY (portfolio_id, term)
) PARTITION BY LIST (portfolio_id);
CREATE INDEX rag_term_changes ON rag_term (version);

-- The version that a portfolio's tables were made from; 0: before there were terms, to be made anew.
ALTER TABLE rag_searched ADD COLUMN made BIGINT NOT NULL DEFAULT 0;
