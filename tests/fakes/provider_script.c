#include "tests/fakes/provider_script.h"

#include <stdlib.h>

#define SEPARATORS "+ "

static const struct word {
    const char *name;
    size_t offset;
    bool number;
    uint64_t preset;
} words[] = {
#define WORD_NUMBER(member, preset) \
    {#member, offsetof(struct provider_script, member), true, preset},
#define WORD_TEXT(member) {#member, offsetof(struct provider_script, member), false, 0},
    PROVIDER_SCRIPT_LIST(WORD_NUMBER, WORD_TEXT)
#undef WORD_NUMBER
#undef WORD_TEXT
};

static void word_set(const struct word *word, uint64_t number, const char *text,
                     struct provider_script *script)
{
    void *at = (char *)script + word->offset;
    if (word->number)
        *(uint64_t *)at = number;
    else
        *(const char **)at = text;
}

static const struct word *word_find(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (slice_equal(name, slice_of(words[i].name))) return &words[i];
    return NULL;
}

static bool word_read(struct slice text, struct arena *arena, struct provider_script *script)
{
    const char *equals = memchr(text.ptr, '=', text.len);
    if (!equals) return false;
    size_t name_len = (size_t)(equals - text.ptr);
    const struct word *word = word_find((struct slice){text.ptr, name_len});
    if (!word) return false;
    char *value = arena_copy(arena, (struct slice){equals + 1, text.len - name_len - 1});
    word_set(word, strtoull(value, NULL, 10), value, script);
    return true;
}

bool provider_script_read(const char *model, struct arena *arena, struct provider_script *script)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        word_set(&words[i], words[i].preset, NULL, script);
    if (strncmp(model, "script", 6)) return true;
    model += strcspn(model, SEPARATORS);
    while (*(model += strspn(model, SEPARATORS))) {
        size_t len = strcspn(model, SEPARATORS);
        if (!word_read((struct slice){model, len}, arena, script)) return false;
        model += len;
    }
    script->piece = MAX(script->piece, (uint64_t)1);
    return true;
}
