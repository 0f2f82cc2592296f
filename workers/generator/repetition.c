#include "workers/generator/repetition.h"

bool repetition_settle(struct repetition *repetition, struct slice text, bool whole, size_t *len)
{
    size_t expected = repetition->text.len, compared = MIN(expected, text.len);
    *len = 0;
    if (repetition->settled) return true;
    bool same = !compared || !memcmp(repetition->text.ptr, text.ptr, compared);
    if (same && compared < expected && !whole) return false;
    repetition->settled = true;
    if (same && compared == expected) *len = expected;
    return true;
}
