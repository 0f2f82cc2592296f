-- Times are milliseconds since 1970. Ids that leave the store (AUTOINCREMENT) are never given twice,
-- so that a cache entry or a citation can't come to mean something else.

CREATE TABLE agents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 1,
    name TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL DEFAULT '',
    base_url TEXT NOT NULL DEFAULT '',
    system_prompt TEXT NOT NULL DEFAULT '',
    temperature REAL NOT NULL DEFAULT 0,
    language TEXT NOT NULL DEFAULT '',          -- '': the question's
    portfolio_id INTEGER NOT NULL DEFAULT 0,    -- 0: none
    top_k INTEGER NOT NULL DEFAULT 0,           -- 0: by complexity
    max_context_tokens INTEGER NOT NULL DEFAULT 0,
    semantic_cache INTEGER NOT NULL DEFAULT 0,
    semantic_threshold REAL NOT NULL DEFAULT 0, -- 0: the embedder's own
    fallbacks BLOB                              -- msgpack of an agent record with that member alone
);
CREATE INDEX agents_of_portfolio ON agents (portfolio_id) WHERE portfolio_id > 0;

CREATE TABLE portfolios (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 1,
    name TEXT NOT NULL,
    embedder TEXT NOT NULL,
    documents INTEGER NOT NULL DEFAULT 0,
    chunks INTEGER NOT NULL DEFAULT 0
);

-- A document reaches its tenant through its portfolio. Its chunks have consecutive ids.
CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    portfolio_id INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 1,
    source TEXT NOT NULL,
    title TEXT NOT NULL,
    given_title TEXT NOT NULL,                  -- '': the title is the document's own
    format TEXT NOT NULL,
    metadata TEXT NOT NULL,
    hash BLOB NOT NULL,                         -- SHA-256 of what was given
    bytes INTEGER NOT NULL,
    status TEXT NOT NULL,
    error TEXT NOT NULL DEFAULT '',
    first_chunk INTEGER NOT NULL,
    chunks INTEGER NOT NULL
);
CREATE INDEX documents_of_portfolio ON documents (portfolio_id);
CREATE UNIQUE INDEX document_sources ON documents (portfolio_id, source) WHERE source <> '';

-- As it was given; apart, so that lists and loads don't page through it.
CREATE TABLE contents (
    document_id INTEGER PRIMARY KEY,
    content BLOB NOT NULL
);

CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    language TEXT NOT NULL,
    heading TEXT NOT NULL,
    hash BLOB NOT NULL,                         -- of the text, first 16 bytes of SHA-256
    terms BLOB NOT NULL,
    text TEXT NOT NULL                          -- to the start of the next chunk, if that is later
);

-- int8 with one scale each: float32 scale, then a byte a dimension.
CREATE TABLE vectors (
    chunk_id INTEGER PRIMARY KEY,
    vector BLOB NOT NULL
);

-- Chunks without a vector.
CREATE TABLE unindexed (
    chunk_id INTEGER PRIMARY KEY,
    portfolio_id INTEGER NOT NULL,
    document_id INTEGER NOT NULL,
    leases INTEGER NOT NULL DEFAULT 0,
    expires INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX unindexed_waiting ON unindexed (portfolio_id, expires);
CREATE INDEX unindexed_of_document ON unindexed (document_id);

-- Every new version, and the chunks that it touched: for announcements and for portfolios in memory.
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,                         -- 'portfolio' or 'agent'
    object_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    first_chunk INTEGER NOT NULL,
    last_chunk INTEGER NOT NULL,
    at INTEGER NOT NULL
);
CREATE INDEX changes_of_object ON changes (object_id, version) WHERE kind = 'portfolio';

-- What is left of deleted portfolios until it is purged, a document at a time.
CREATE TABLE deleted_portfolios (
    id INTEGER PRIMARY KEY
);

CREATE TABLE conversations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    agent_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);

-- A question and its answer: messages 2 id - 1 and 2 id.
CREATE TABLE turns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    agent_id INTEGER NOT NULL,
    portfolio_id INTEGER NOT NULL,
    question TEXT NOT NULL,
    answer TEXT NOT NULL,
    language TEXT NOT NULL,
    complexity TEXT NOT NULL,
    top_k INTEGER NOT NULL,
    max_tokens INTEGER NOT NULL,
    status TEXT NOT NULL,
    error TEXT NOT NULL,
    cached TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    written_by TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    total_tokens INTEGER NOT NULL,
    citations BLOB,                             -- msgpack of a ready_answer record with that member
    timings_ms TEXT NOT NULL
);
CREATE INDEX turns_of_conversation ON turns (conversation_id);

-- Results of operations, so that one delivered twice is answered and not done again.
CREATE TABLE operations (
    id INTEGER PRIMARY KEY,
    op TEXT NOT NULL,
    part INTEGER NOT NULL,
    at INTEGER NOT NULL,
    portfolio_version INTEGER NOT NULL,
    result BLOB NOT NULL
);
CREATE UNIQUE INDEX operation_parts ON operations (op, part);

INSERT INTO agents (tenant, name, provider) VALUES ('default', 'Assistant', 'extractive');
