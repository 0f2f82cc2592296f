-- Answers that may serve later questions that mean the same. Only those of one place (agent, portfolio,
-- both versions, language) are compared; what is outdated is never read again.
CREATE TABLE answers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    agent_id INTEGER NOT NULL,
    agent_version INTEGER NOT NULL,
    portfolio_id INTEGER NOT NULL,
    portfolio_version INTEGER NOT NULL,
    language TEXT NOT NULL,
    at INTEGER NOT NULL,
    question TEXT NOT NULL,
    complexity TEXT NOT NULL,
    top_k INTEGER NOT NULL,
    max_tokens INTEGER NOT NULL,
    embedder TEXT NOT NULL,
    vector BLOB NOT NULL,                       -- of the question: float32 scale, then a byte a dimension
    passages BLOB NOT NULL,                     -- int64 each: chunk ids, best first
    ready BLOB NOT NULL                         -- msgpack of a ready_answer record
);
CREATE INDEX answers_of_place
    ON answers (agent_id, portfolio_id, language, portfolio_version, agent_version, id);
