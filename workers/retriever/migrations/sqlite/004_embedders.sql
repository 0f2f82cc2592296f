-- A chunk may have the vectors of two embedders: of the one that answers, and of the one that its
-- portfolio is being rebuilt for. Each has a side, 0 or 1; a slot is 2 * chunk_id + side.
ALTER TABLE portfolios ADD COLUMN side INTEGER NOT NULL DEFAULT 0;          -- of the one that answers
ALTER TABLE portfolios ADD COLUMN next_embedder TEXT NOT NULL DEFAULT '';   -- '': nothing is rebuilt

-- int8 with one scale each: float32 scale, then a byte a dimension.
CREATE TABLE slots (
    slot INTEGER PRIMARY KEY,
    vector BLOB NOT NULL
);
INSERT INTO slots SELECT 2 * chunk_id, vector FROM vectors;
DROP TABLE vectors;
ALTER TABLE slots RENAME TO vectors;

-- Slots without a vector.
CREATE TABLE waiting (
    slot INTEGER PRIMARY KEY,
    portfolio_id INTEGER NOT NULL,
    side INTEGER NOT NULL,
    document_id INTEGER NOT NULL,
    leases INTEGER NOT NULL DEFAULT 0,
    expires INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT ''              -- why it was leased in vain, the last time
);
INSERT INTO waiting (slot, portfolio_id, side, document_id, leases, expires)
    SELECT 2 * chunk_id, portfolio_id, 0, document_id, leases, expires FROM unindexed;
DROP TABLE unindexed;
ALTER TABLE waiting RENAME TO unindexed;
CREATE INDEX unindexed_waiting ON unindexed (portfolio_id, side, expires);
CREATE INDEX unindexed_of_document ON unindexed (document_id);

-- Embedders that fail, through no fault of the texts: nothing is leased for them until retry_at.
CREATE TABLE embedding_troubles (
    portfolio_id INTEGER NOT NULL,
    side INTEGER NOT NULL,
    failures INTEGER NOT NULL,                  -- in a row
    retry_at INTEGER NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (portfolio_id, side)
) WITHOUT ROWID;
