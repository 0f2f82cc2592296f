#include "workers/provider_status.h"

/* The first range that holds the status. */
err_t provider_status_error(int status)
{
    static const struct {
        int from, to;
        err_t error;
    } ranges[] = {
        {401, 401, ERR_PROVIDER_AUTH},         {403, 403, ERR_PROVIDER_AUTH},
        {404, 404, ERR_PROVIDER_MODEL},        {408, 408, ERR_PROVIDER_FAILED},
        {429, 429, ERR_PROVIDER_RATE_LIMITED}, {400, 499, ERR_PROVIDER_REFUSED},
        {500, 599, ERR_PROVIDER_FAILED},
    };
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        if (status >= ranges[i].from && status <= ranges[i].to) return ranges[i].error;
    return ERR_PROVIDER_BAD_RESPONSE;
}

static const struct {
    err_t error;
    bool passes, counts;
} failures[] = {
    {ERR_PROVIDER_RATE_LIMITED, true, false}, {ERR_PROVIDER_FAILED, true, true},
    {ERR_PROVIDER_UNAVAILABLE, true, true},   {ERR_PROVIDER_CUT, true, true},
    {ERR_PROVIDER_TIMEOUT, false, true},      {ERR_PROVIDER_BAD_RESPONSE, false, true},
};

bool provider_failure_passes(err_t error)
{
    for (size_t i = 0; i < ARRAY_LEN(failures); i++)
        if (failures[i].error == error) return failures[i].passes;
    return false;
}

bool provider_failure_counts(err_t error)
{
    for (size_t i = 0; i < ARRAY_LEN(failures); i++)
        if (failures[i].error == error) return failures[i].counts;
    return false;
}

void provider_trouble_add(const char *provider, err_t error, struct buffer *list)
{
    struct buffer trouble = {0};
    buffer_printf(&trouble, "%s: %s", provider, error_code(error));
    if (!list->len || !memmem(list->data, list->len, trouble.data, trouble.len)) {
        if (list->len) buffer_append_text(list, ", ");
        buffer_append_slice(list, buffer_slice(&trouble));
    }
    buffer_free(&trouble);
}
