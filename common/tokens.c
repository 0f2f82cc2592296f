/* One pass over the words gathers what stands between them; names are marked behind it. */
#include "common/tokens.h"

#include <ctype.h>

#include "common/text.h"

enum { NAME_WORDS_MAX = 6 };

/* What stands between two words. */
struct gap {
    bool sentence, clause, question;
    uint32_t first, last; /* the code points next to the words */
    size_t width;
};

static const uint32_t sentence_marks[] = {'?',    '!',    ';',    ':',    '\n',
                                          0x2026, 0xFF1F, 0xFF01, 0x3002, 0};
static const uint32_t clause_marks[] = {',', '(', ')', '[', ']', 0xBF, 0xA1, 0x2013, 0x2014, 0};
static const uint32_t quotes[] = {'"', '`', '\'', 0xAB, 0xBB, 0x2018, 0x2019, 0x201C, 0x201D, 0};

static bool is_one_of(uint32_t c, const uint32_t *list)
{
    while (*list && *list != c) list++;
    return *list != 0;
}

static bool is_full_stop(uint32_t c, struct slice rest)
{
    return c == '.' && rest.len && (rest.ptr[0] == ' ' || rest.ptr[0] == '\n');
}

static struct gap gap_scan(const char *from, const char *to)
{
    struct gap gap = {0};
    struct slice rest = {from, (size_t)(to - from)};
    while (rest.len) {
        uint32_t c = text_take(&rest);
        gap.sentence |= is_one_of(c, sentence_marks) || is_full_stop(c, rest);
        gap.clause |= is_one_of(c, clause_marks);
        gap.question |= c == '?' || c == 0xFF1F;
        if (!gap.width++) gap.first = c;
        gap.last = c;
    }
    return gap;
}

static bool is_capital(struct slice raw)
{
    uint32_t c = text_take(&raw);
    return (c >= 'A' && c <= 'Z') || (c >= 0xC0 && c <= 0xDE);
}

static bool is_all_capitals(struct slice raw)
{
    size_t letters = 0;
    while (raw.len) {
        uint32_t c = text_take(&raw);
        if (c >= 'a' && c <= 'z') return false;
        letters += c >= 'A' && c <= 'Z';
    }
    return letters > 1;
}

/* Adds one word, unless folding leaves nothing of it. */
static void add_word(struct tokens *tokens, struct slice raw, const struct gap *gap)
{
    size_t start = tokens->folded.len;
    text_fold(raw, &tokens->folded);
    if (tokens->folded.len == start) return;
    bool first = tokens->count == 0;
    struct token *token = &tokens->items[tokens->count++];
    *token = (struct token){
        .raw = raw,
        .word = {NULL, tokens->folded.len - start}, /* the buffer may move: see set_words() */
        .sentence = gap->sentence || first,
        .clause = gap->sentence || gap->clause || first,
        .capital = raw.len > 1 && is_capital(raw) && !is_all_capitals(raw),
        .attached = !first && gap->width == 1 && (gap->last == '\'' || gap->last == 0x2019),
        .name = gap->last == '@' || gap->last == '#',
    };
    if (!first && gap->width == 1 && gap->last == '.' && raw.len <= 3)
        token[0].name = token[-1].name = true; /* Compare.io */
}

static void set_words(struct tokens *tokens)
{
    const char *at = tokens->folded.data;
    for (size_t i = 0; i < tokens->count; i++) {
        tokens->items[i].word.ptr = at;
        at += tokens->items[i].word.len;
    }
}

static void mark_name(struct tokens *tokens, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) tokens->items[i].name = true;
}

/* Follows quotation marks: words between an opening and a closing one are a name, unless they are
 * many or the whole message. `open` is where the quotation began, TOKENS_MAX outside of one. */
static void follow_quotes(struct tokens *tokens, const struct gap *gap, size_t *open, bool at_end)
{
    size_t here = tokens->count;
    bool inside = *open < here;
    if (inside && is_one_of(gap->first, quotes) && (gap->width > 1 || at_end)) {
        if (here - *open <= NAME_WORDS_MAX && !(at_end && *open == 0))
            mark_name(tokens, *open, here);
        *open = TOKENS_MAX;
    }
    if (is_one_of(gap->last, quotes) && (gap->width > 1 || here == 0)) *open = here;
}

/* Two capitalised words and more are a name, but the word that starts a sentence is capitalised
 * anyway, and a sentence where every word is says nothing. */
static void mark_capitals(struct tokens *tokens)
{
    for (size_t i = 0; i < tokens->count;) {
        size_t end = i, capitals = 0;
        while (end < tokens->count && (end == i || !tokens->items[end].clause) &&
               (tokens->items[end].capital || (tokens->items[end].attached && end > i)))
            capitals += tokens->items[end++].capital;
        bool starts = tokens->items[i].clause;
        bool ends = end == tokens->count || tokens->items[end].sentence;
        size_t from = starts ? i + 1 : i;
        capitals -= starts && tokens->items[i].capital; /* "I'll" has one */
        if (capitals >= 2 && !(starts && ends)) mark_name(tokens, from, end);
        i = MAX(end, i + 1);
    }
}

/* Where the last `count` words begin, more or less: marks beyond ASCII count as letters. */
static size_t find_tail(struct slice text, size_t count)
{
    size_t at = text.len;
    bool inside = false;
    for (; at > 0; at--) {
        unsigned char c = (unsigned char)text.ptr[at - 1];
        bool letter = c >= 0x80 || c == '_' || isalnum(c);
        if (inside && !letter && --count == 0) break;
        inside = letter;
    }
    return at;
}

/* Leaves out what is too much in the middle. Returns whether something was. */
static bool skip_middle(struct text_words *words, const struct tokens *tokens)
{
    if (tokens->count != TOKENS_MAX - TOKENS_TAIL) return false;
    size_t tail = find_tail(words->text, TOKENS_TAIL);
    if (tail <= words->at) return false;
    words->at = tail;
    return true;
}

void tokens_scan(struct slice text, struct tokens *tokens)
{
    struct text_words words = {text, 0};
    struct slice word;
    bool skipped = false;
    size_t open = TOKENS_MAX;
    const char *end = text.ptr;
    tokens->count = 0;
    tokens->folded = (struct buffer){0};
    while (tokens->count < TOKENS_MAX && text_next_word(&words, &word)) {
        struct gap gap =
            skipped ? (struct gap){.sentence = true, .width = 1} : gap_scan(end, word.ptr);
        if (tokens->count) tokens->items[tokens->count - 1].question = gap.question;
        follow_quotes(tokens, &gap, &open, false);
        add_word(tokens, word, &gap);
        end = word.ptr + word.len;
        skipped = skip_middle(&words, tokens);
    }
    struct gap gap = gap_scan(end, text.ptr + text.len);
    if (tokens->count) tokens->items[tokens->count - 1].question = gap.question;
    follow_quotes(tokens, &gap, &open, true);
    set_words(tokens);
    mark_capitals(tokens);
}

void tokens_free(struct tokens *tokens)
{
    buffer_free(&tokens->folded);
    tokens->count = 0;
}
