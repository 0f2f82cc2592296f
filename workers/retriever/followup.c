#include "workers/retriever/followup.h"

#include "common/text.h"

/* A question with fewer words of its own than this is about what was asked before. */
#define OWN_WORDS_MIN 2

/* What a question's words say of it. */
struct footing {
    size_t own;  /* words with content of their own */
    bool points; /* "its", "that one", "esos": at something said before */
};

static struct footing footing_of(const struct language *language, struct slice message)
{
    uint64_t leaning = language_set(language, "leaning");
    uint64_t asking = language_set(language, "asking") | language_set(language, "joining");
    struct buffer folded = {0};
    struct footing footing = {0};
    text_fold(message, &folded);
    struct text_words words = {buffer_slice(&folded), 0};
    struct slice word;
    while (text_next_word(&words, &word)) {
        uint64_t sets = language_word_sets(language, word);
        footing.points |= (sets & leaning) != 0;
        footing.own += !(sets & (leaning | asking)) && !language_is_stop_word(language, word);
    }
    buffer_free(&folded);
    return footing;
}

static bool leans(const struct language *language, struct slice message)
{
    struct footing footing = footing_of(language, message);
    return footing.points || footing.own < OWN_WORDS_MIN;
}

struct slice followup_query(const struct language *language, struct slice message,
                            const struct history *history, struct arena *arena)
{
    const struct chat_message *messages = history->messages.items;
    if (!history->messages.count || !leans(language, message)) return message;
    for (size_t i = history->messages.count; i-- > 0;) {
        struct slice earlier = messages[i].content;
        if (!slice_equal(messages[i].role, SLICE("user"))) continue;
        if (leans(language_detect(earlier, language), earlier)) continue;
        const char *both = arena_printf(arena, "%.*s\n%.*s", (int)message.len, message.ptr,
                                        (int)earlier.len, earlier.ptr);
        return slice_of(both);
    }
    return message;
}
