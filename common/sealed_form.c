/* The form of a sealed key, apart from what makes it: a store that takes nothing else needs no
 * cryptography to see it. */
#include "common/sealing.h"

static size_t run_of(struct slice text, size_t from, const char *allowed)
{
    size_t at = from;
    while (at < text.len && text.ptr[at] && strchr(allowed, text.ptr[at])) at++;
    return at - from;
}

bool is_sealed(struct slice text)
{
    static const char hex[] = "0123456789abcdef";
    static const char base64[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    const size_t body = SEALED_MARK_LEN + SEALED_ID_LEN + 1;
    return text.len > body && !memcmp(text.ptr, SEALED_MARK, SEALED_MARK_LEN) &&
           run_of(text, SEALED_MARK_LEN, hex) == SEALED_ID_LEN && text.ptr[body - 1] == '.' &&
           run_of(text, body, base64) == text.len - body;
}
