/* What the messages carry: meta, and the records in body frames. Every field is listed once.
 *
 * A record on the wire is a msgpack map by field name; unknown names are ignored, missing ones are
 * zero. The gateway decodes meta and results; of the body frames that pass from stage to stage only the
 * context, for a stream that tells what was retrieved before its text. */
#ifndef MILLRACE_PROTO_RECORDS_H
#define MILLRACE_PROTO_RECORDS_H

#include "proto/fields.h"

/* clang-format off */

/* --- parts of messages --- */
#define VERSION_OF_FIELDS(F, N, R, L) \
    F(TEXT, kind)                /* "portfolio" or "agent" */ \
    F(U64,  id) \
    F(U64,  version)
#define STREAM_AT_FIELDS(F, N, R, L) \
    F(U64,  job) \
    F(U64,  attempt) \
    F(U64,  seq)                 /* the last token sent */
#define COUNT_OF_FIELDS(F, N, R, L) \
    F(TEXT, name)                /* of what a worker counts: "citation_dropped" */ \
    F(U64,  value)               /* since the worker's start */
#define CITATION_FIELDS(F, N, R, L) \
    F(U64,  n)                   /* as the answer cites it: [n] */ \
    F(U64,  document_id) \
    F(TEXT, title) \
    F(TEXT, heading) \
    F(U64,  chunk_id) \
    F(U64,  start)               /* bytes of the document's text */ \
    F(U64,  end) \
    F(F64,  score) \
    F(TEXT, source)
#define USAGE_FIELDS(F, N, R, L) \
    F(U64,  prompt_tokens) \
    F(U64,  completion_tokens) \
    F(U64,  total_tokens)
/* What the gateway must know of a stage's work. */
#define META_FIELDS(F, N, R, L) \
    F(U64,  work_us)             /* the stage's own time */ \
    F(U64,  search_us)           /* of it, the search in memory or database */ \
    F(U64,  portfolio_version)   /* the version that was searched */ \
    F(TEXT, finish_reason)       /* "stop", "length", "content_filter" */ \
    F(TEXT, written_by)          /* "provider/model" of the text */ \
    R(usage, usage) \
    L(citation, citations) \
    F(F64,  similarity)          /* of a semantic hit */ \
    F(TEXT, question)            /* that it was stored for */

/* --- objects of the HTTP interface --- */
#define FALLBACK_FIELDS(F, N, R, L) \
    F(TEXT, provider) \
    F(TEXT, model) \
    F(TEXT, base_url) \
    N(TEXT, api_key)             /* write-only; sealed at rest; null or "" removes it */ \
    F(BOOL, has_api_key)         /* read-only */
#define AGENT_FIELDS(F, N, R, L) \
    F(U64,  id) \
    F(TEXT, name) \
    F(TEXT, provider)            /* empty: the generators' environment decides */ \
    F(TEXT, model) \
    F(TEXT, base_url) \
    N(TEXT, api_key)             /* write-only; sealed at rest; null or "" removes it */ \
    F(BOOL, has_api_key)         /* read-only */ \
    F(TEXT, system_prompt) \
    F(F64,  temperature) \
    N(TEXT, language)            /* null: the question's */ \
    N(U64,  portfolio_id) \
    N(U64,  top_k)               /* null: by complexity */ \
    N(U64,  max_context_tokens)  /* null: by complexity */ \
    F(BOOL, semantic_cache) \
    N(F64,  semantic_threshold)  /* null: the embedder's own */ \
    L(fallback, fallbacks) \
    F(U64,  version)
/* Vectors in the making: of the embedder that a portfolio is being rebuilt for, else of its own. */
#define EMBEDDING_STATE_FIELDS(F, N, R, L) \
    F(TEXT, embedder) \
    F(U64,  done)                /* chunks that do not wait for their vector */ \
    F(U64,  total) \
    N(TEXT, error)               /* code of an embedder that fails */ \
    N(TEXT, retry_at)            /* RFC 3339: when it is asked again */
#define PORTFOLIO_FIELDS(F, N, R, L) \
    F(U64,  id) \
    F(TEXT, name) \
    F(U64,  version)             /* rises with every change of content */ \
    F(U64,  documents) \
    F(U64,  chunks) \
    F(TEXT, embedder)            /* the name of what made the vectors that answer */ \
    R(embedding_state, embedding)
#define DOCUMENT_FIELDS(F, N, R, L) \
    F(U64,  id) \
    F(U64,  portfolio_id) \
    F(TEXT, title) \
    F(TEXT, content)             /* on writing only */ \
    F(TEXT, format)              /* "text", "markdown", "html" */ \
    F(TEXT, source)              /* the same source replaces */ \
    F(JSON, metadata) \
    F(TEXT, status)              /* "indexing", "stored", "failed" */ \
    F(U64,  chunks) \
    F(U64,  bytes) \
    N(TEXT, error) \
    F(U64,  version) \
    F(BOOL, unchanged)           /* it was there already, to the byte */
#define SCORES_FIELDS(F, N, R, L) \
    F(F64,  vector) \
    F(F64,  bm25)
#define PASSAGE_FIELDS(F, N, R, L) \
    F(U64,  chunk_id) \
    F(U64,  document_id) \
    F(TEXT, title) \
    F(TEXT, heading)             /* the path of headings: "Install > Linux" */ \
    F(TEXT, source) \
    F(U64,  start)               /* bytes of the document's text */ \
    F(U64,  end) \
    F(TEXT, text) \
    F(F64,  score) \
    R(scores, scores)
#define CHAT_MESSAGE_FIELDS(F, N, R, L) \
    F(U64,  id) \
    F(TEXT, role)                /* "user", "assistant"; "system" in a history that the client brought */ \
    F(TEXT, content) \
    F(TEXT, created_at)          /* RFC 3339 */ \
    F(TEXT, status)              /* "completed", "cancelled", "failed" */ \
    N(TEXT, error)               /* the code of a failed turn */ \
    L(citation, citations) \
    F(TEXT, cached)              /* "", "exact", "semantic" */ \
    F(TEXT, finish_reason) \
    R(usage, usage) \
    F(JSON, timings_ms)
#define CONVERSATION_FIELDS(F, N, R, L) \
    F(U64,  id) \
    N(U64,  agent_id) \
    F(TEXT, created_at) \
    L(chat_message, messages)

/* The switches of /api/flags. */
#define FLAGS_FIELDS(F, N, R, L) \
    F(BOOL, streaming) \
    F(BOOL, cache) \
    F(BOOL, semantic_cache) \
    F(BOOL, dynamic_context) \
    F(U64,  changed_at)          /* milliseconds since 1970; 0: never */

/* --- body frames --- */
/* [request] of the kinds `chat` and `search`. */
#define CHAT_REQUEST_FIELDS(F, N, R, L) \
    F(TEXT, tenant) \
    F(TEXT, message) \
    F(TEXT, language)            /* code of the question's language */ \
    F(TEXT, complexity)          /* name of its level */ \
    F(U64,  top_k) \
    F(U64,  max_tokens)          /* context budget */ \
    F(U64,  portfolio_id)        /* 0: none */ \
    F(TEXT, embedder)            /* the portfolio's */ \
    F(U64,  conversation_id)     /* 0: a new one */ \
    F(BOOL, semantic)            /* the answer of a question that means the same may be given */ \
    R(agent, agent)
/* [history] */
#define HISTORY_FIELDS(F, N, R, L) \
    F(U64,  conversation_id)     /* 0: the client brought it */ \
    F(TEXT, digest)              /* SHA-256 of what follows; part of every answer's key */ \
    L(chat_message, messages)    /* oldest first */
/* [embedding]: `count` vectors of `dimensions` float32, little-endian, normalised */
#define EMBEDDING_FIELDS(F, N, R, L) \
    F(TEXT, embedder)            /* name of what made it */ \
    F(U64,  dimensions) \
    F(U64,  count) \
    F(BYTES, vectors)
/* [context] */
#define CONTEXT_FIELDS(F, N, R, L) \
    F(U64,  portfolio_id) \
    F(U64,  portfolio_version) \
    L(passage, passages)         /* best first */
/* [request] of the kind `index`, made by its first stage; [context] carries the texts to embed, in
 * the same order. */
#define INDEX_CHUNK_FIELDS(F, N, R, L) \
    F(U64,  chunk_id) \
    F(BYTES, hash)               /* of the content: a vector of another content is dropped */
#define INDEX_REQUEST_FIELDS(F, N, R, L) \
    F(TEXT, tenant) \
    F(U64,  portfolio_id) \
    F(TEXT, embedder) \
    L(index_chunk, chunks)

/* A batch of the kind `index` that came to nothing is given back. */
#define RELEASE_FIELDS(F, N, R, L) \
    F(TEXT, error)               /* the code */ \
    F(BYTES, lease)              /* the [request] that its first stage made */
#define RELEASED_FIELDS(F, N, R, L) \
    F(TEXT, embedder)            /* that has failed; empty: nobody wants its vectors any more */ \
    F(U64,  retry_ms)            /* nothing is leased for it until then; 0: the texts are to blame */

/* [request] of the kind `embed`: texts of a client, by the embedder that the pool uses by default. */
#define EMBED_TEXT_FIELDS(F, N, R, L)    F(TEXT, text)
#define EMBED_REQUEST_FIELDS(F, N, R, L) F(TEXT, tenant) F(TEXT, embedder) L(embed_text, texts)

/* --- jobs of the store: requests and results --- */
/* Names an object or a page of a list: every `.get`, `.list`, `.delete` takes it. */
#define SELECT_FIELDS(F, N, R, L) \
    F(TEXT, tenant) \
    F(U64,  id) \
    F(U64,  portfolio_id) \
    F(U64,  limit) \
    F(U64,  after)               /* the last id of the page before */
#define PUT_AGENT_FIELDS(F, N, R, L)     F(TEXT, tenant) F(U64, id) R(agent, agent)
#define PUT_PORTFOLIO_FIELDS(F, N, R, L) F(TEXT, tenant) F(U64, id) R(portfolio, portfolio)
#define PUT_DOCUMENTS_FIELDS(F, N, R, L) F(TEXT, tenant) F(U64, portfolio_id) L(document, documents)
#define AGENTS_FIELDS(F, N, R, L)        L(agent, data) N(U64, next)
#define PORTFOLIOS_FIELDS(F, N, R, L)    L(portfolio, data) N(U64, next)
#define DOCUMENTS_FIELDS(F, N, R, L)     L(document, data) N(U64, next)
#define SEARCH_RESULTS_FIELDS(F, N, R, L) L(passage, results)
/* A turn to record: the question and its answer, committed together. */
#define TURN_FIELDS(F, N, R, L) \
    F(TEXT, tenant) \
    F(U64,  conversation_id)     /* 0: make one */ \
    F(U64,  agent_id) \
    F(U64,  portfolio_id) \
    F(TEXT, question) \
    F(TEXT, answer) \
    F(TEXT, language) \
    F(TEXT, complexity) \
    F(U64,  top_k) \
    F(U64,  max_tokens) \
    F(TEXT, status)              /* "completed", "cancelled", "failed" */ \
    F(TEXT, error) \
    F(TEXT, cached) \
    F(TEXT, finish_reason) \
    F(TEXT, written_by) \
    R(usage, usage) \
    L(citation, citations) \
    F(JSON, timings_ms) \
    F(U64,  fence)               /* of the claim that it is committed under and frees; 0: none */ \
    F(BOOL, semantic)            /* may serve later questions: the job carries embedding, context */ \
    F(U64,  agent_version)       /* that it was answered by */ \
    F(U64,  portfolio_version)   /* that was searched */
/* An answer that may serve later questions, and what it was found by. */
#define SIMILAR_ANSWER_FIELDS(F, N, R, L) \
    F(U64,   id)                 /* later ones have greater ids */ \
    F(U64,   age_ms) \
    F(TEXT,  question) \
    F(TEXT,  complexity) \
    F(U64,   top_k) \
    F(U64,   max_tokens) \
    F(TEXT,  embedder) \
    F(BYTES, vector)             /* of the question: float32 scale, then an int8 a dimension */ \
    F(BYTES, passages)           /* uint64 each: chunk ids, best first */ \
    F(BYTES, ready)              /* a ready_answer */
#define SIMILAR_ANSWERS_FIELDS(F, N, R, L)  L(similar_answer, data)
/* Those of one place: nothing outside of it is ever compared. */
#define ANSWER_SELECT_FIELDS(F, N, R, L) \
    F(TEXT, tenant) \
    F(U64,  agent_id) \
    F(U64,  agent_version) \
    F(U64,  portfolio_id) \
    F(U64,  portfolio_version) \
    F(TEXT, language) \
    F(U64,  after)               /* the last id that is known */
#define RECORDED_FIELDS(F, N, R, L) \
    F(U64,  conversation_id) \
    F(U64,  message_id)
/* A claim protects a turn from the question to its record: at most one lives for a conversation, and
 * for a key that a client chose. Its fence is greater than that of every claim before it. */
#define CLAIM_FIELDS(F, N, R, L)         F(U64, fence)
#define CLAIM_REQUEST_FIELDS(F, N, R, L) \
    F(TEXT, tenant) \
    F(U64,  conversation_id)     /* 0: a new one */ \
    F(TEXT, key)                 /* the client's; empty: none */ \
    F(TEXT, digest)              /* of what is asked: the same key with another is refused */ \
    F(U64,  lease_ms)
/* Either a claim and the history that it found, or what the key has led to before. */
#define CLAIMED_FIELDS(F, N, R, L) \
    F(U64,  fence)               /* 0: nothing was claimed */ \
    F(BOOL, taken_over)          /* from a holder whose lease has run out */ \
    R(history, history) \
    F(U64,  message_id)          /* of the key's completed turn; 0: there is none */ \
    L(turn, completed)           /* that turn, with its conversation */
#define RENEWAL_FIELDS(F, N, R, L) \
    F(U64,  lease_ms) \
    L(claim, held) \
    L(claim, released)           /* end without a turn */
#define RENEWED_FIELDS(F, N, R, L)       L(claim, lost)
/* An answer that a stage before the generator had ready. */
#define READY_ANSWER_FIELDS(F, N, R, L) \
    F(TEXT, answer) \
    L(citation, citations)

#define RECORD_LIST(X) \
    X(version_of, VERSION_OF) X(stream_at, STREAM_AT) X(count_of, COUNT_OF) X(citation, CITATION) X(usage, USAGE) \
    X(meta, META) X(fallback, FALLBACK) X(agent, AGENT) \
    X(embedding_state, EMBEDDING_STATE) X(portfolio, PORTFOLIO) \
    X(document, DOCUMENT) X(scores, SCORES) X(passage, PASSAGE) X(chat_message, CHAT_MESSAGE) \
    X(conversation, CONVERSATION) X(chat_request, CHAT_REQUEST) X(history, HISTORY) \
    X(embedding, EMBEDDING) X(context, CONTEXT) X(index_chunk, INDEX_CHUNK) \
    X(index_request, INDEX_REQUEST) X(release, RELEASE) X(released, RELEASED) X(select, SELECT) X(put_agent, PUT_AGENT) \
    X(put_portfolio, PUT_PORTFOLIO) X(put_documents, PUT_DOCUMENTS) X(agents, AGENTS) \
    X(portfolios, PORTFOLIOS) X(documents, DOCUMENTS) X(search_results, SEARCH_RESULTS) \
    X(turn, TURN) X(similar_answer, SIMILAR_ANSWER) X(similar_answers, SIMILAR_ANSWERS) \
    X(answer_select, ANSWER_SELECT) X(recorded, RECORDED) X(claim, CLAIM) X(claim_request, CLAIM_REQUEST) \
    X(claimed, CLAIMED) X(renewal, RENEWAL) X(renewed, RENEWED) X(ready_answer, READY_ANSWER) \
    X(flags, FLAGS) X(embed_text, EMBED_TEXT) X(embed_request, EMBED_REQUEST)
/* clang-format on */

#define RECORD_DECLARE(name, NAME) RECORD_STRUCT(name, NAME##_FIELDS)
RECORD_LIST(RECORD_DECLARE)
#undef RECORD_DECLARE


#endif
