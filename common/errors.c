#include "common/errors.h"

#include <stdio.h>

static const struct {
    const char *code;
    const char *text;
    int status;
    enum error_category category;
} errors[] = {[OK] = {"ok", "ok", 200, ERROR_CLIENT},
#define ERROR_ENTRY(name, code, status, category, text) \
    [ERR_##name] = {code, text, status, ERROR_##category},
              ERROR_LIST(ERROR_ENTRY)
#undef ERROR_ENTRY
};

const char *error_code(err_t error)
{
    return errors[error].code;
}

const char *error_text(err_t error)
{
    return errors[error].text;
}

int error_status(err_t error)
{
    return errors[error].status;
}

enum error_category error_category(err_t error)
{
    return errors[error].category;
}

bool error_retryable(err_t error)
{
    return errors[error].category == ERROR_LIMIT || errors[error].category == ERROR_TRANSIENT;
}

err_t error_from_code(struct slice code)
{
    for (size_t i = 1; i < ARRAY_LEN(errors); i++)
        if (slice_equal(code, slice_of(errors[i].code))) return (err_t)i;
    return ERR_INTERNAL;
}

void errors_print_reference(void)
{
    static const char *const categories[] = {
        [ERROR_CLIENT] = "the caller's",
        [ERROR_LIMIT] = "a limit: come again later",
        [ERROR_TRANSIENT] = "passing: try again",
        [ERROR_FATAL] = "ours",
    };
    printf("| code | status | kind | what |\n|---|---|---|---|\n");
    for (size_t i = 1; i < ARRAY_LEN(errors); i++)
        printf("| `%s` | %d | %s | %s |\n", errors[i].code, errors[i].status,
               categories[errors[i].category], errors[i].text);
}
