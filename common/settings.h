/* Settings: one alphabetical table. Each is read from the environment by its name and from the
 * command line as a flag (HTTP_PORT is --http-port); the flag wins. A process reads only those that
 * name it, so that no process sees another's secrets. --help prints the table. */
#ifndef MILLRACE_COMMON_SETTINGS_H
#define MILLRACE_COMMON_SETTINGS_H

#include "common/errors.h"

/* Which process reads a setting. */
enum settings_of {
    OF_GATEWAY = 1,
    OF_EMBEDDER = 2,
    OF_RETRIEVER = 4,
    OF_GENERATOR = 8,
    OF_CLI = 16,
    OF_WORKERS = OF_EMBEDDER | OF_RETRIEVER | OF_GENERATOR,
    OF_ALL = OF_GATEWAY | OF_WORKERS,
};

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)

/* clang-format off */
/* U(member, NAME, processes, default, least, most, help)   a whole number, its unit in its name
 * T(member, NAME, processes, default, allowed, help)       text; allowed: NULL or "one|other" */
#define SETTING_LIST(U, T) \
    U(accept_timeout_ms,     ACCEPT_TIMEOUT_MS,     OF_GATEWAY,   250,  50, 60000, "a job not accepted by then goes to another worker") \
    U(agent_config_ttl_ms,   AGENT_CONFIG_TTL_MS,   OF_GATEWAY,   5000, 0, 600000, "how long the gateway keeps an agent's or portfolio's configuration") \
    T(agent_kms_key,         AGENT_KMS_KEY,         OF_GENERATOR | OF_CLI, "", NULL, "seals agents' keys: 32 bytes in base64; empty: no key can be stored") \
    T(agent_kms_key_previous, AGENT_KMS_KEY_PREVIOUS, OF_GENERATOR | OF_CLI, "", NULL, "while the key above is being replaced: the one before, which still opens") \
    T(alive_file,            ALIVE_FILE,            OF_WORKERS,   "", NULL, "a file that is touched every second while a gateway hears this worker, for health checks; empty: none") \
    U(answer_bytes_max,      ANSWER_BYTES_MAX,      OF_GATEWAY | OF_GENERATOR, MIB, KIB, 256 * MIB, "largest answer") \
    T(anthropic_api_key,     ANTHROPIC_API_KEY,     OF_GENERATOR,  "", NULL, "for agents without a key of their own") \
    T(anthropic_base_url,    ANTHROPIC_BASE_URL,    OF_GENERATOR,  "https://api.anthropic.com", NULL, "where Anthropic's interface is") \
    U(anthropic_tokens_max,  ANTHROPIC_TOKENS_MAX,  OF_GENERATOR, 4096, 1, 1000000, "largest answer of Anthropic's models, which want it said") \
    T(auth_mode,             AUTH_MODE,             OF_GATEWAY,   "none", "none|jwt", "who may call: jwt, who brings an access token; none, everybody, on a loopback address only") \
    U(body_bytes_max,        BODY_BYTES_MAX,        OF_GATEWAY,   64 * KIB, KIB, 64 * MIB, "largest request body, documents apart") \
    U(breaker_failures,      BREAKER_FAILURES,      OF_GENERATOR | OF_EMBEDDER, 5, 1, 1000, "failures in a row after which a provider is not asked for a while") \
    U(breaker_open_ms,       BREAKER_OPEN_MS,       OF_GENERATOR | OF_EMBEDDER, 10000, 10, 3600000, "how long that is") \
    U(cache_answer_ttl_s,    CACHE_ANSWER_TTL_S,    OF_GATEWAY | OF_RETRIEVER, 3600, 1, 31536000, "how long an answer is kept for the same question, or one that means the same") \
    U(cache_bytes_max,       CACHE_BYTES_MAX,       OF_GATEWAY,   64 * MIB, 0, 65536 * MIB, "memory for answers, passages and vectors of questions, beside Redis") \
    U(cache_chunk_ttl_s,     CACHE_CHUNK_TTL_S,     OF_GATEWAY,   1800, 1, 31536000, "how long the passages of a question are kept") \
    U(cache_embedding_ttl_s, CACHE_EMBEDDING_TTL_S, OF_GATEWAY,   86400, 1, 31536000, "how long the vector of a question is kept") \
    U(claim_lease_ms,        CLAIM_LEASE_MS,        OF_GATEWAY,   10000, 300, 600000, "a turn's claim that is not renewed for so long may be taken over") \
    U(client_header_timeout_s, CLIENT_HEADER_TIMEOUT_S, OF_GATEWAY, 10, 1, 600, "a connection idle or sending its request for so long is closed") \
    U(client_stall_ms,       CLIENT_STALL_MS,       OF_GATEWAY,   30000, 100, 600000, "a client that takes nothing for so long while data waits is ended") \
    U(connections_max,       CONNECTIONS_MAX,       OF_GATEWAY,   8192, 16, 1000000, "open client connections") \
    U(database_connections_max, DATABASE_CONNECTIONS_MAX, OF_RETRIEVER, 6, 4, 1000, "connections that a retriever opens to PostgreSQL") \
    T(database_url,          DATABASE_URL,          OF_RETRIEVER | OF_CLI, "sqlite:var/millrace.db", NULL, "the store: sqlite:PATH or postgresql://USER@HOST/DATABASE") \
    T(default_model,         DEFAULT_MODEL,         OF_GENERATOR,  "", NULL, "model of agents that name no provider; empty: the provider's default") \
    U(document_bytes_max,    DOCUMENT_BYTES_MAX,    OF_GATEWAY | OF_RETRIEVER, 16 * MIB, KIB, 256 * MIB, "largest document") \
    U(drain_timeout_ms,      DRAIN_TIMEOUT_MS,      OF_ALL,       10000, 0, 600000, "how long a process that was asked to stop finishes what it has") \
    T(embedder,              EMBEDDER,              OF_EMBEDDER | OF_RETRIEVER, "hashing", "hashing|model|openai|mistral|openai-compatible", "what makes the vectors of new portfolios") \
    T(embedding_api_key,     EMBEDDING_API_KEY,     OF_EMBEDDER,  "", NULL, "of EMBEDDER=openai-compatible, where its server wants one") \
    T(embedding_base_url,    EMBEDDING_BASE_URL,    OF_EMBEDDER,  "", NULL, "of EMBEDDER=openai-compatible, with its /v1") \
    U(embedding_batch_max,   EMBEDDING_BATCH_MAX,   OF_EMBEDDER,  256, 1, 2048, "texts in one call of an embedding provider") \
    U(embedding_batch_tokens_max, EMBEDDING_BATCH_TOKENS_MAX, OF_EMBEDDER, 100000, 100, 10000000, "tokens in one such call, estimated") \
    U(embedding_dimensions,  EMBEDDING_DIMENSIONS,  OF_EMBEDDER | OF_RETRIEVER, 0, 0, 4096, "of an embedding provider's model; 0: the model's own, where it is known") \
    T(embedding_model,       EMBEDDING_MODEL,       OF_EMBEDDER | OF_RETRIEVER, "", NULL, "model of an embedding provider; empty: the provider's default") \
    T(extractive_fallback,   EXTRACTIVE_FALLBACK,   OF_GENERATOR, "no", "no|yes", "whether the extractive generator answers once an agent's provider and fallbacks have failed") \
    T(flags_file,            FLAGS_FILE,            OF_GATEWAY,   "", NULL, "where the switches of /api/flags are kept across restarts; empty: in Redis alone, if there is one") \
    U(frame_bytes_max,       FRAME_BYTES_MAX,       OF_ALL,       64 * MIB, 64 * KIB, 1024 * MIB, "largest message between processes") \
    T(gateways,              GATEWAYS,              OF_WORKERS,   "127.0.0.1:8001", NULL, "lane addresses, host:port, comma-separated") \
    U(heartbeat_ms,          HEARTBEAT_MS,          OF_GATEWAY,   500, 10, 60000, "interval of heartbeats between gateway and workers") \
    U(history_messages_max,  HISTORY_MESSAGES_MAX,  OF_GATEWAY | OF_RETRIEVER, 20, 0, 1000, "messages of a conversation that go with a question, the newest") \
    U(hnsw_build_bytes_max,  HNSW_BUILD_BYTES_MAX,  OF_RETRIEVER, 1024 * MIB, 64 * MIB, 65536 * MIB, "memory of PostgreSQL that making an index of vectors may take") \
    U(hnsw_ef_construction,  HNSW_EF_CONSTRUCTION,  OF_RETRIEVER, 64, 4, 1000, "candidates while an index of vectors is made in PostgreSQL") \
    U(hnsw_ef_search,        HNSW_EF_SEARCH,        OF_RETRIEVER, 100, 100, 1000, "candidates while it is searched: more find better and take longer") \
    U(hnsw_m,                HNSW_M,                OF_RETRIEVER, 16, 2, 100, "neighbours of each vector in it") \
    T(http_address,          HTTP_ADDRESS,          OF_GATEWAY,   "127.0.0.1", NULL, "address that clients connect to") \
    U(http_port,             HTTP_PORT,             OF_GATEWAY,   8000, 1, 65535, "port that clients connect to") \
    U(job_attempts_max,      JOB_ATTEMPTS_MAX,      OF_GATEWAY,   3, 1, 100, "times a worker may hand a job back") \
    U(jwt_clock_skew_s,      JWT_CLOCK_SKEW_S,      OF_GATEWAY,   30, 0, 3600, "by how much the clock of who writes access tokens may differ") \
    T(jwt_secret,            JWT_SECRET,            OF_GATEWAY | OF_CLI, "", NULL, "signs access tokens (HS256): at least 32 bytes") \
    T(lanes_address,         LANES_ADDRESS,         OF_GATEWAY,   "127.0.0.1", NULL, "address that workers connect to") \
    U(lanes_port,            LANES_PORT,            OF_GATEWAY,   8001, 1, 65532, "first of the four ports that workers connect to") \
    U(lane_age_max_ms,       LANE_AGE_MAX_MS,       OF_GATEWAY,   10000, 1, 3600000, "a lane whose oldest job waits longer admits no more") \
    U(lane_bytes_max,        LANE_BYTES_MAX,        OF_GATEWAY,   256 * MIB, MIB, 65536 * MIB, "bytes of jobs waiting in a lane") \
    U(lane_jobs_max,         LANE_JOBS_MAX,         OF_GATEWAY,   1024, 1, 1000000, "jobs waiting in a lane") \
    U(liveness,              LIVENESS,              OF_GATEWAY,   3, 2, 100, "missed heartbeats after which a peer is dead") \
    T(log_level,             LOG_LEVEL,             OF_ALL,       "info", "error|warn|info|debug", "least level written") \
    U(message_characters_max, MESSAGE_CHARACTERS_MAX, OF_GATEWAY, 8000, 1, 1000000, "longest question") \
    T(mistral_api_key,       MISTRAL_API_KEY,       OF_GENERATOR | OF_EMBEDDER, "", NULL, "for agents without a key of their own, and EMBEDDER=mistral") \
    T(mistral_base_url,      MISTRAL_BASE_URL,      OF_GENERATOR | OF_EMBEDDER, "https://api.mistral.ai/v1", NULL, "where Mistral's interface is") \
    T(model_dir,             MODEL_DIR,             OF_EMBEDDER,   "", NULL, "folder of the embedding model's two files; empty: there is none") \
    T(name,                  NAME,                  OF_ALL,       "", NULL, "this process in logs and on the operator's screen") \
    T(openai_api_key,        OPENAI_API_KEY,        OF_GENERATOR | OF_EMBEDDER, "", NULL, "for agents without a key of their own, and EMBEDDER=openai") \
    T(openai_base_url,       OPENAI_BASE_URL,       OF_GENERATOR | OF_EMBEDDER, "https://api.openai.com/v1", NULL, "where OpenAI's interface is") \
    U(openai_body_bytes_max, OPENAI_BODY_BYTES_MAX, OF_GATEWAY,   MIB, KIB, 64 * MIB, "largest request body below /v1, where clients send their whole history") \
    U(provider_connect_timeout_ms, PROVIDER_CONNECT_TIMEOUT_MS, OF_GENERATOR | OF_EMBEDDER, 3000, 10, 600000, "a provider that is not connected by then cannot be reached") \
    U(provider_first_token_timeout_ms, PROVIDER_FIRST_TOKEN_TIMEOUT_MS, OF_GENERATOR | OF_EMBEDDER, 30000, 10, 600000, "longest wait for the first token of an answer, or for embeddings") \
    T(provider_link_local,   PROVIDER_LINK_LOCAL,   OF_GENERATOR | OF_EMBEDDER, "refuse", "refuse|allow", "whether providers may have link-local and cloud metadata addresses") \
    U(provider_retries_max,  PROVIDER_RETRIES_MAX,  OF_GENERATOR | OF_EMBEDDER, 2, 0, 10, "times a provider is asked again after a 429, a 5xx or a lost connection, before the first token") \
    U(provider_token_timeout_ms, PROVIDER_TOKEN_TIMEOUT_MS, OF_GENERATOR, 15000, 10, 600000, "longest wait between two tokens") \
    U(rate_limit_burst,      RATE_LIMIT_BURST,      OF_GATEWAY,   20, 1, 1000000, "requests that may come at once, of those") \
    U(rate_limit_per_minute, RATE_LIMIT_PER_MINUTE, OF_GATEWAY,   0, 0, 1000000, "questions, searches and calls of /v1 by one subject of a tenant; 0: no limit") \
    U(record_keep_ms,        RECORD_KEEP_MS,        OF_GATEWAY,   30000, 0, 3600000, "how long a turn that could not be recorded is tried again") \
    U(record_queue_max,      RECORD_QUEUE_MAX,      OF_GATEWAY,   10000, 1, 1000000, "turns waiting to be recorded") \
    U(record_timeout_ms,     RECORD_TIMEOUT_MS,     OF_GATEWAY,   5000, 1, 600000, "an answer whose turn is not committed by then says so") \
    U(redis_max_connections, REDIS_MAX_CONNECTIONS, OF_GATEWAY,   20, 1, 1000, "connections to Redis; more than one while many requests are under way") \
    U(redis_timeout_ms,      REDIS_TIMEOUT_MS,      OF_GATEWAY,   20, 1, 60000, "longest wait for Redis; what comes later is not used") \
    T(redis_url,             REDIS_URL,             OF_GATEWAY,   "", NULL, "where answers are kept beside memory: redis://[[user]:password@]host[:port][/database]; empty: nowhere") \
    U(request_timeout_ms,    REQUEST_TIMEOUT_MS,    OF_GATEWAY,   120000, 100, 3600000, "deadline of a request") \
    U(resident_bytes_max,    RESIDENT_BYTES_MAX,    OF_RETRIEVER, 512 * MIB, MIB, 65536 * MIB, "memory for resident portfolios") \
    U(resident_chunks_max,   RESIDENT_CHUNKS_MAX,   OF_RETRIEVER, 20000, 1, 10000000, "largest portfolio held in memory") \
    T(scheduling,            SCHEDULING,            OF_ALL,       "batch", "batch|other", "batch: when others run, this process waits for its turn and does more at once; other: the system's own way") \
    U(semantic_bytes_max,    SEMANTIC_BYTES_MAX,    OF_RETRIEVER, 64 * MIB, MIB, 65536 * MIB, "memory for answers that may serve questions that mean the same") \
    U(slots,                 SLOTS,                 OF_WORKERS,   0, 0, 10000, "jobs that a worker runs at once; 0: 64, generators 1024") \
    U(stream_window_bytes,   STREAM_WINDOW_BYTES,   OF_GATEWAY,   64 * KIB, KIB, 64 * MIB, "text that a stream may be ahead of its client") \
    U(stream_window_tokens,  STREAM_WINDOW_TOKENS,  OF_GATEWAY,   256, 1, 1000000, "tokens that a stream may be ahead of its client")
/* clang-format on */

struct settings {
#define SETTING_NUMBER(member, ...) uint64_t member;
#define SETTING_TEXT(member, ...)   const char *member;
    SETTING_LIST(SETTING_NUMBER, SETTING_TEXT)
#undef SETTING_NUMBER
#undef SETTING_TEXT
};

/* Reads the settings of one process. `program` is what --help calls it. On a wrong value or an
 * unknown flag writes one line that names it, its value and what is allowed to standard error and
 * returns ERR_BAD_SETTING. --help and --version print to standard output and end the process with
 * 0. Texts point into the environment and argv, which must stay. With `rest` not NULL, reading
 * stops at the first argument that is not a flag, and *rest is its index; else such an argument is
 * refused. */
err_t settings_load(enum settings_of process, const char *program, int argc, char **argv,
                    struct settings *settings, int *rest) MUST_USE;
/* True if the process (one of enum settings_of) reads the setting of that name. */
bool settings_reads(enum settings_of process, struct slice name);
/* The table as Markdown, for the reference. */
void settings_print_reference(void);

#endif
