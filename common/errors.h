/* Every way in which something can fail, in one list: name, code (what clients and metrics see),
 * HTTP status, category, text. The category decides what happens next:
 *
 *   CLIENT    the caller's mistake: refuse, never retry
 *   LIMIT     a limit was reached: refuse now, the caller may come again (Retry-After)
 *   TRANSIENT something went away: worth another try
 *   FATAL     ours or the store's fault, and a retry would meet it again
 *
 * Zero is success and has no entry. A function's outputs change only on success. */
#ifndef MILLRACE_COMMON_ERRORS_H
#define MILLRACE_COMMON_ERRORS_H

#include "common/base.h"

/* clang-format off */
#define ERROR_LIST(X) \
    X(BAD_JSON,              "bad_json",              400, CLIENT,    "the body is not valid JSON") \
    X(INVALID_UTF8,          "invalid_utf8",          400, CLIENT,    "text must be valid UTF-8 without NUL") \
    X(INVALID_FIELD,         "invalid_field",         422, CLIENT,    "a field has a wrong type or value") \
    X(MESSAGE_EMPTY,         "message_empty",         422, CLIENT,    "the message is empty") \
    X(MESSAGE_TOO_LONG,      "message_too_long",      422, CLIENT,    "the message is too long") \
    X(DOCUMENT_EMPTY,        "document_empty",        422, CLIENT,    "the document has no text") \
    X(DOCUMENT_BINARY,       "document_binary",       422, CLIENT,    "the document is binary, not text") \
    X(DOCUMENT_TOO_LARGE,    "document_too_large",    413, CLIENT,    "the document is larger than DOCUMENT_BYTES_MAX") \
    X(BODY_TOO_LARGE,        "body_too_large",        413, CLIENT,    "the request body is too large") \
    X(NOT_FOUND,             "not_found",             404, CLIENT,    "no such route") \
    X(AGENT_NOT_FOUND,       "agent_not_found",       404, CLIENT,    "no such agent") \
    X(PORTFOLIO_NOT_FOUND,   "portfolio_not_found",   404, CLIENT,    "no such portfolio") \
    X(DOCUMENT_NOT_FOUND,    "document_not_found",    404, CLIENT,    "no such document") \
    X(CONVERSATION_NOT_FOUND,"conversation_not_found",404, CLIENT,    "no such conversation") \
    X(CONVERSATION_BUSY,     "conversation_busy",     409, LIMIT,     "the conversation is answering another question") \
    X(IDEMPOTENCY_IN_PROGRESS,"idempotency_in_progress",409, LIMIT,   "a request with this Idempotency-Key is in progress") \
    X(IDEMPOTENCY_MISMATCH,  "idempotency_mismatch",  422, CLIENT,    "this Idempotency-Key was used with another body") \
    X(CLAIM_LOST,            "claim_lost",            409, CLIENT,    "a later request has taken this one's place") \
    X(KMS_KEY_MISSING,       "kms_key_missing",       409, CLIENT,    "storing a key needs AGENT_KMS_KEY") \
    X(KMS_KEY_WRONG,         "kms_key_wrong",         500, FATAL,     "a stored key was sealed under another AGENT_KMS_KEY") \
    X(TOKEN_MISSING,         "token_missing",         401, CLIENT,    "an access token is needed: Authorization: Bearer ...") \
    X(TOKEN_INVALID,         "token_invalid",         401, CLIENT,    "the access token is not valid here") \
    X(TOKEN_EXPIRED,         "token_expired",         401, CLIENT,    "the access token has expired") \
    X(SCOPE_MISSING,         "scope_missing",         403, CLIENT,    "the access token does not allow this") \
    X(METHOD_NOT_ALLOWED,    "method_not_allowed",    405, CLIENT,    "the route does not know this method") \
    X(UNSUPPORTED_MEDIA_TYPE,"unsupported_media_type",415, CLIENT,    "send JSON (application/json)") \
    X(REQUEST_TIMEOUT,       "request_timeout",       408, CLIENT,    "the request took too long to arrive") \
    X(CANCELLED,             "cancelled",             499, CLIENT,    "the client has gone") \
    X(CLIENT_TOO_SLOW,       "client_too_slow",       499, LIMIT,     "the client took too long to read its stream") \
    X(LANE_FULL,             "lane_full",             503, LIMIT,     "too many requests are waiting") \
    X(LANE_TIMEOUT,          "lane_timeout",          503, LIMIT,     "the request waited too long for a worker") \
    X(RATE_LIMITED,          "rate_limited",          429, LIMIT,     "too many requests; Retry-After says when to come again") \
    X(STREAMING_DISABLED,    "streaming_disabled",    503, LIMIT,     "streaming is switched off; ask for whole answers") \
    X(DRAINING,              "draining",              503, TRANSIENT, "the server is shutting down") \
    X(NO_WORKER,             "no_worker",             503, TRANSIENT, "no worker of a needed pool is connected") \
    X(STORE_UNAVAILABLE,     "store_unavailable",     503, TRANSIENT, "the store is not available") \
    X(STORE_BUSY,            "store_busy",            503, TRANSIENT, "the store is busy") \
    X(STORE_FULL,            "store_full",            507, FATAL,     "the store has no room or is read-only") \
    X(STORE_SCHEMA,          "store_schema",          503, TRANSIENT, "the store's schema is newer than this program") \
    X(STORE_FAILED,          "store_failed",          500, FATAL,     "the store failed") \
    X(EMBEDDER_UNAVAILABLE,  "embedder_unavailable",  503, TRANSIENT, "no embedder of this portfolio is running") \
    X(MODEL_INVALID,         "model_invalid",         500, FATAL,     "a file of the embedding model is not what it should be") \
    X(EMBEDDING_INVALID,     "embedding_invalid",     502, TRANSIENT, "the embedding has the wrong shape") \
    X(PROVIDER_UNKNOWN,      "provider_unknown",      422, CLIENT,    "no such provider") \
    X(PROVIDER_ADDRESS,      "provider_address",      422, CLIENT,    "the provider's address is refused: link-local and metadata addresses need PROVIDER_LINK_LOCAL=allow") \
    X(PROVIDER_AUTH,         "provider_auth",         502, FATAL,     "the provider refuses the key") \
    X(PROVIDER_MODEL,        "provider_model",        502, FATAL,     "the provider does not know the model") \
    X(PROVIDER_REFUSED,      "provider_refused",      502, FATAL,     "the provider refuses the request") \
    X(PROVIDER_RATE_LIMITED, "provider_rate_limited", 503, LIMIT,     "the provider takes no more requests for now") \
    X(PROVIDER_CIRCUIT_OPEN, "provider_circuit_open", 503, LIMIT,     "the provider has failed of late and is not asked for a while") \
    X(PROVIDER_UNAVAILABLE,  "provider_unavailable",  502, TRANSIENT, "the provider cannot be reached") \
    X(PROVIDER_TIMEOUT,      "provider_timeout",      504, TRANSIENT, "the provider took too long") \
    X(PROVIDER_FAILED,       "provider_failed",       502, TRANSIENT, "the provider failed") \
    X(PROVIDER_BAD_RESPONSE, "provider_bad_response", 502, TRANSIENT, "the provider's answer could not be read") \
    X(PROVIDER_CUT,          "provider_cut",          502, TRANSIENT, "the provider's answer ended before its end") \
    X(STREAM_INTERRUPTED,    "stream_interrupted",    502, TRANSIENT, "the stream was interrupted and cannot be continued") \
    X(WORKER_DIED,           "worker_died",           502, TRANSIENT, "the workers that ran this request died") \
    X(DEADLINE_EXCEEDED,     "deadline_exceeded",     504, TRANSIENT, "the request took too long") \
    X(ANSWER_TOO_LARGE,      "answer_too_large",      502, FATAL,     "the answer is larger than ANSWER_BYTES_MAX") \
    X(FRAME_TOO_LARGE,       "frame_too_large",       500, FATAL,     "a message is larger than FRAME_BYTES_MAX") \
    X(BAD_FRAME,             "bad_frame",             500, FATAL,     "a message could not be decoded") \
    X(UNKNOWN_KIND,          "unknown_kind",          500, FATAL,     "the worker does not know this kind of job") \
    X(PROTOCOL_VERSION,      "protocol_version",      500, FATAL,     "the peer speaks an unknown protocol version") \
    X(BAD_SETTING,           "bad_setting",           500, FATAL,     "a setting is wrong") \
    X(INTERNAL,              "internal",              500, FATAL,     "something went wrong inside")
/* clang-format on */

#define ERROR_NAME(name, ...) ERR_##name,
typedef enum error { OK = 0, ERROR_LIST(ERROR_NAME) ERROR_COUNT } err_t;
#undef ERROR_NAME

enum error_category { ERROR_CLIENT, ERROR_LIMIT, ERROR_TRANSIENT, ERROR_FATAL };

const char *error_code(err_t error); /* "lane_full"; OK is "ok" */
const char *error_text(err_t error);
int error_status(err_t error); /* the HTTP status; OK is 200 */
enum error_category error_category(err_t error);
bool error_retryable(err_t error); /* LIMIT or TRANSIENT: the same request may succeed later */
/* The error of a code that travelled as text; ERR_INTERNAL for one that is not known here. */
err_t error_from_code(struct slice code);
/* The list as Markdown, for the reference. */
void errors_print_reference(void);

#endif
