/* The language files of common/languages as text, one entry a file, in a table that the build
 * writes. The last entry's code is NULL. */
#ifndef MILLRACE_COMMON_LANGUAGE_DATA_H
#define MILLRACE_COMMON_LANGUAGE_DATA_H

struct language_data {
    const char *code; /* the file's name without its ending: "en" */
    const char *text; /* NUL-terminated */
};

extern const struct language_data language_data[];

#endif
