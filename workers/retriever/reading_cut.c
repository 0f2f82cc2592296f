/* What a text's writing tells: which words are names, identifiers or units of measure and so to be
 * compared as written, which marks mean something, and where clauses start. */
#include "common/text.h"
#include "workers/retriever/reading.h"

/* --- what the text's writing tells --- */

struct cut {
    struct reading *reading;
    const struct language *language;
    struct arena *arena;
    struct slice text;
    bool capitals; /* capital letters tell nothing: every word has them */
    bool clause;   /* the next word starts one */
    bool full;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_accented(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] == 0xC3) return true;
    return false;
}

static struct slice fold(struct arena *arena, struct slice text)
{
    struct buffer folded = {0};
    text_fold(text, &folded);
    struct slice kept = arena_slice(arena, buffer_slice(&folded));
    buffer_free(&folded);
    return kept;
}

static bool is_shouted(struct slice raw)
{
    for (size_t i = 0; i < raw.len; i++)
        if (!is_upper(raw.ptr[i])) return false;
    return raw.len > 1;
}

/* Capital letters tell nothing where there are no others, or where words without a meaning of their
 * own have them, too: in a title. */
static bool capitals_tell_nothing(const struct cut *cut)
{
    struct text_words words = {cut->text, 0};
    struct slice raw;
    size_t capital = 0, small = 0, index = 0;
    while (text_next_word(&words, &raw)) {
        struct arena arena = {0};
        bool stop = language_is_stop_word(cut->language, fold(&arena, raw));
        arena_free(&arena);
        if (!index++ || !stop || raw.len < 2) continue;
        capital += is_upper(raw.ptr[0]);
        small += !is_upper(raw.ptr[0]);
    }
    return capital > small && capital > 1;
}

/* "US", "IT", "May": no word that the language knows as one without a meaning of its own. */
static bool is_name(const struct cut *cut, struct slice raw, struct slice word)
{
    const struct reading *reading = cut->reading;
    if (cut->capitals || !is_upper(raw.ptr[0])) return false;
    if (!language_is_stop_word(cut->language, word)) return false;
    if (is_shouted(raw)) return true;
    bool inside = reading->count && !cut->clause;
    return inside && (raw.len > 1 || raw.ptr[0] != 'I');
}

static bool has_mark(struct slice raw, char mark)
{
    return memchr(raw.ptr, mark, raw.len) != NULL;
}

/* What is compared as it is written: identifiers, single letters, and units of measure, whose case
 * counts ("Mb", "MB"). */
static bool is_literal(const struct cut *cut, struct slice raw, struct slice word)
{
    const struct reading *reading = cut->reading;
    const struct unit *last = reading->count ? &reading->units[reading->count - 1] : NULL;
    bool behind_number = last && last->raw.len && is_digit(last->raw.ptr[last->raw.len - 1]);
    if (is_digit(raw.ptr[0]) || has_mark(raw, '_') || is_name(cut, raw, word)) return true;
    if (raw.len == 1) return !language_is_stop_word(cut->language, word);
    return behind_number && raw.len <= 3 && !language_is_stop_word(cut->language, word);
}

static void add_unit(struct cut *cut, struct unit unit)
{
    struct reading *reading = cut->reading;
    if (reading->count == UNITS_MAX) {
        cut->full = true;
        return;
    }
    unit.clause = cut->clause;
    cut->clause = false;
    reading->units[reading->count++] = unit;
}

static void add_word(struct cut *cut, struct slice raw)
{
    struct slice word = fold(cut->arena, raw);
    add_unit(cut, (struct unit){word, raw, is_literal(cut, raw, word), false});
}

static void add_mark(struct cut *cut, struct slice raw)
{
    add_unit(cut, (struct unit){raw, raw, true, false});
}

/* --- what stands between words --- */

static bool is_one_of(uint32_t c, const char *list)
{
    struct slice rest = slice_of(list);
    while (rest.len)
        if (text_take(&rest) == c) return true;
    return false;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A mark that means something only where it touches what is around it: "1.5", "3/4", "-5", "--all",
 * ".NET". */
static bool is_bound_mark(const struct cut *cut, const char *at)
{
    const char *end = cut->text.ptr + cut->text.len;
    char before = at > cut->text.ptr ? at[-1] : ' ', after = at + 1 < end ? at[1] : ' ';
    if (is_digit(before) && is_digit(after)) return true;
    return (*at == '-' || *at == '.') && is_space(before) && !is_space(after);
}

/* "f(x)", "a[0]" */
static bool is_call(const struct cut *cut, const char *at)
{
    return at > cut->text.ptr && !is_space(at[-1]);
}

static void read_mark(struct cut *cut, struct slice mark, uint32_t c, bool inside)
{
    static const char silent[] = " \t\n\r'`\"“”‘’«»¿¡…]";
    static const char parting[] = ",;:)–—";
    if (is_one_of(c, silent)) return;
    if (is_one_of(c, "([") && !is_call(cut, mark.ptr)) {
        cut->clause = true;
    } else if (is_one_of(c, ".-,:/") && is_bound_mark(cut, mark.ptr)) {
        add_mark(cut, mark);
    } else if (is_one_of(c, "?!") || (c == '.' && cut->reading->count)) {
        if (inside && is_space(mark.ptr[1])) add_mark(cut, SLICE("."));
        cut->clause = true;
    } else if (is_one_of(c, parting)) {
        cut->clause = true;
    } else if (c != '-' && c != '.') {
        add_mark(cut, mark);
    }
}

static void read_gap(struct cut *cut, const char *from, const char *to)
{
    bool inside = to < cut->text.ptr + cut->text.len;
    struct slice rest = {from, (size_t)(to - from)};
    while (rest.len) {
        const char *at = rest.ptr;
        uint32_t c = text_take(&rest);
        read_mark(cut, (struct slice){at, (size_t)(rest.ptr - at)}, c, inside);
    }
}

static void cut_text(struct cut *cut)
{
    struct text_words words = {cut->text, 0};
    struct slice raw;
    const char *end = cut->text.ptr;
    cut->capitals = capitals_tell_nothing(cut);
    while (!cut->full && text_next_word(&words, &raw)) {
        read_gap(cut, end, raw.ptr);
        add_word(cut, raw);
        end = raw.ptr + raw.len;
    }
    if (!cut->full) read_gap(cut, end, cut->text.ptr + cut->text.len);
}

bool reading_cut(const struct language *language, struct slice text, struct arena *arena,
                 struct reading *reading)
{
    struct cut cut = {reading, language, arena, text, .clause = true};
    reading->accented = is_accented(text);
    cut_text(&cut);
    return !cut.full;
}
