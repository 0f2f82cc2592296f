-- Who may record a turn. A claim of a client's key stays, freed, for as long as the key is known.
CREATE TABLE claims (
    fence INTEGER PRIMARY KEY AUTOINCREMENT,    -- never given twice: a later claim's is greater
    tenant TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,              -- '': none
    digest TEXT NOT NULL,                       -- of the request that the key came with
    conversation_id INTEGER NOT NULL,           -- 0: none yet
    expires INTEGER NOT NULL,                   -- 0: freed
    turn_id INTEGER NOT NULL,                   -- the key's newest turn; 0: none
    at INTEGER NOT NULL
);
CREATE UNIQUE INDEX claims_of_key ON claims (tenant, idempotency_key) WHERE idempotency_key <> '';
CREATE UNIQUE INDEX claims_of_conversation ON claims (conversation_id)
    WHERE conversation_id > 0 AND expires > 0;
