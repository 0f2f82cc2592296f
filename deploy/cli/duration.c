#include "deploy/cli/duration.h"

#define DIGITS_MAX 9

static uint64_t unit_s(char letter)
{
    static const struct {
        char letter;
        uint64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (units[i].letter == letter) return units[i].seconds;
    return 0;
}

bool duration_read(struct slice text, uint64_t *seconds)
{
    uint64_t number = 0;
    size_t digits = text.len ? text.len - 1 : 0;
    if (!digits || digits > DIGITS_MAX || !unit_s(text.ptr[digits])) return false;
    for (size_t i = 0; i < digits; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
        number = number * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *seconds = number * unit_s(text.ptr[digits]);
    return true;
}
