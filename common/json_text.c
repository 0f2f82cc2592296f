#include "common/json_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The letter of a two-byte escape, 'u' for a six-byte one, 0 for a byte that stands for itself. */
static const char escapes[256] = {
    [0 ... 7] = 'u', [0x0b] = 'u', [0x0e ... 0x1f] = 'u', ['\b'] = 'b', ['\t'] = 't',
    ['\n'] = 'n',    ['\f'] = 'f', ['\r'] = 'r',          ['"'] = '"',  ['\\'] = '\\',
};

size_t json_escaped_size(unsigned char c)
{
    return !escapes[c] ? 1 : escapes[c] == 'u' ? 6 : 2;
}

size_t json_escape(unsigned char c, char *out)
{
    static const char digits[] = "0123456789abcdef";
    size_t size = json_escaped_size(c);
    if (size == 1) {
        *out = (char)c;
        return 1;
    }
    out[0] = '\\';
    out[1] = escapes[c];
    if (size == 6) memcpy(out + 2, (char[]){'0', '0', digits[c >> 4], digits[c & 15]}, 4);
    return size;
}

/* Runs that need no escape are copied whole. */
void json_append_string(struct buffer *out, struct slice text)
{
    size_t start = 0;
    buffer_append_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (!escapes[(unsigned char)text.ptr[i]]) continue;
        buffer_append(out, text.ptr + start, i - start);
        out->len += json_escape((unsigned char)text.ptr[i], buffer_reserve(out, 6));
        start = i + 1;
    }
    buffer_append(out, text.ptr + start, text.len - start);
    buffer_append_char(out, '"');
}

static bool reads_back(const char *text, double number, bool single)
{
    return single ? strtof(text, NULL) == (float)number : strtod(text, NULL) == number;
}

void json_append_number(struct buffer *out, double number)
{
    char text[40];
    bool single = fabs(number) <= 1e30 && (double)(float)number == number;
    int most = single ? 9 : 17;
    if (!isfinite(number)) {
        buffer_append_text(out, "null");
        return;
    }
    for (int digits = single ? 6 : 15; digits <= most; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, number);
        if (reads_back(text, number, single)) break;
    }
    buffer_append_text(out, text);
}
