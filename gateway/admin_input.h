/* What may be written: JSON bodies to the request frames of the store's jobs, validated. Pure. */
#ifndef MILLRACE_GATEWAY_ADMIN_INPUT_H
#define MILLRACE_GATEWAY_ADMIN_INPUT_H

#include "gateway/json_record.h"

#define NAME_CHARACTERS_MAX 200
#define DOCUMENTS_MAX       1000 /* in one call */

struct admin_input {
    struct slice tenant;
    uint64_t id;           /* of the object; 0 when it is to be made */
    uint64_t portfolio_id; /* of documents */
    uint64_t document_bytes_max;
    bool is_list;     /* out: an array was posted */
    bool brings_keys; /* out: of an agent, to be sealed before the store may have it */
};

/* Appends the request frame. INVALID_FIELD and the JSON errors, with the problem told;
 * PROVIDER_UNKNOWN, DOCUMENT_EMPTY, DOCUMENT_TOO_LARGE. */
err_t admin_read_agent(struct admin_input *input, const json_t *value, struct buffer *frame,
                       struct json_problem *problem) MUST_USE;
err_t admin_read_portfolio(struct admin_input *input, const json_t *value, struct buffer *frame,
                           struct json_problem *problem) MUST_USE;
/* Of a portfolio that is to get the vectors of another embedder: its name, or {} for the default.
 */
err_t admin_read_reembed(struct admin_input *input, const json_t *value, struct buffer *frame,
                         struct json_problem *problem) MUST_USE;
err_t admin_read_documents(struct admin_input *input, const json_t *value, struct buffer *frame,
                           struct json_problem *problem) MUST_USE;

#endif
