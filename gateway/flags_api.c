#include "gateway/flags_api.h"

#include "gateway/flags.h"
#include "gateway/json_record.h"

void flags_get(struct gateway *gateway, struct http_request *request)
{
    struct buffer body = {0};
    record_to_json(flags_type(), flags_now(gateway->flags), &body);
    buffer_append_char(&body, '\n');
    http_reply(request, 200, "application/json", &body);
}

void flags_put(struct gateway *gateway, struct http_request *request)
{
    struct json_problem problem = {0};
    struct flags change = {0};
    json_t *value;
    err_t error = json_read(http_body(request), &value, &problem);
    if (!error) {
        error = record_from_json(flags_type(), value, http_arena(request), &change, &problem);
        json_decref(value);
    }
    if (error) {
        http_reply_error(request, error, *problem.text ? problem.text : NULL);
        return;
    }
    flags_change(gateway->flags, &change, http_request_id(request));
    flags_get(gateway, request);
}
