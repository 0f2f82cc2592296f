#include "workers/retriever/chunk_languages.h"

uint8_t chunk_language_number(struct slice code)
{
    const struct language *language = language_find(code);
    if (!language) language = language_find(SLICE("en"));
    for (size_t i = 0; i < CHUNK_LANGUAGES_MAX && language_at(i); i++)
        if (language_at(i) == language) return (uint8_t)i;
    return 0;
}

void chunk_languages_list(const struct chunk_languages *languages,
                          const struct language *list[CHUNK_LANGUAGES_MAX + 1])
{
    size_t count = 0;
    for (size_t i = 0; i < CHUNK_LANGUAGES_MAX && language_at(i); i++)
        if (languages->chunks[i]) list[count++] = language_at(i);
    list[count] = NULL;
}
