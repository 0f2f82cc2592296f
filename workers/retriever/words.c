/* text_next_word() finds the runs of letters and digits; what stands between two of them tells
 * whether they are one compound. A compound's runs are cut into parts at '_' and at the capitals of
 * CamelCase. */
#include "workers/retriever/words.h"

#include "common/text.h"

enum { RUNS_MAX = 12, PART_LETTERS_MIN = 3 };

/* How a run is joined to the one before. */
enum joint { APART, JOINED, BROKEN };

struct scanner {
    const struct language *language;
    void (*each)(void *context, const struct word *word);
    void *context;
    struct slice text;
    struct slice runs[RUNS_MAX]; /* of the open compound */
    size_t count;
    bool broken;             /* a typesetter's hyphen is among its joints */
    unsigned dashes;         /* in front of it */
    struct buffer folded;    /* of one part */
    struct buffer whole;     /* all parts of a compound */
    struct buffer run_whole; /* all parts of a run */
};

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void emit(struct scanner *scanner, struct slice text, bool literal)
{
    if (!text.len || text.len > WORD_BYTES_MAX) return;
    scanner->each(scanner->context, &(struct word){text, literal});
}

/* "WHERE", but not "I" nor "Where". */
static bool is_shouted(struct slice raw)
{
    for (size_t i = 0; i < raw.len; i++)
        if (!is_upper(raw.ptr[i])) return false;
    return raw.len >= 2;
}

static void emit_part(struct scanner *scanner, struct slice raw)
{
    scanner->folded.len = 0;
    text_fold(raw, &scanner->folded);
    struct slice folded = buffer_slice(&scanner->folded);
    buffer_append_slice(&scanner->run_whole, folded);
    if (!language_is_stop_word(scanner->language, folded))
        emit(scanner, folded, false);
    else if (is_shouted(raw))
        emit(scanner, raw, true);
}

/* The length of a run's first part: up to a '_' or to a capital that starts a word. */
static size_t part_length(struct slice run)
{
    size_t len = 0;
    while (len < run.len && run.ptr[len] != '_') {
        bool hump = len >= PART_LETTERS_MIN && is_upper(run.ptr[len]) &&
                    is_lower(run.ptr[len - 1]) && len + 2 < run.len && is_lower(run.ptr[len + 1]) &&
                    is_lower(run.ptr[len + 2]);
        if (hump) break;
        len++;
    }
    return len;
}

/* Emits a run's parts, and the run itself where it has several. */
static void emit_run(struct scanner *scanner, struct slice run)
{
    size_t parts = 0;
    scanner->run_whole.len = 0;
    while (run.len) {
        size_t len = part_length(run);
        if (len) emit_part(scanner, (struct slice){run.ptr, len});
        parts += len > 0;
        len += len < run.len && run.ptr[len] == '_';
        run = (struct slice){run.ptr + len, run.len - len};
    }
    if (parts > 1) emit(scanner, buffer_slice(&scanner->run_whole), false);
    buffer_append_slice(&scanner->whole, buffer_slice(&scanner->run_whole));
}

static void fold_broken(struct scanner *scanner)
{
    for (size_t i = 0; i < scanner->count; i++) text_fold(scanner->runs[i], &scanner->whole);
    struct slice whole = buffer_slice(&scanner->whole);
    if (!language_is_stop_word(scanner->language, whole)) emit(scanner, whole, false);
}

static bool is_number(struct slice run)
{
    for (size_t i = 0; i < run.len; i++)
        if (!is_digit(run.ptr[i])) return false;
    return true;
}

/* "15.3": one term, its points kept; "1,000" without the comma. False if it is no such number. */
static bool emit_number(struct scanner *scanner)
{
    for (size_t i = 0; i < scanner->count; i++)
        if (!is_number(scanner->runs[i])) return false;
    for (size_t i = 0; i < scanner->count; i++) {
        struct slice run = scanner->runs[i];
        if (i && run.ptr[-1] != ',') buffer_append(&scanner->whole, run.ptr - 1, 1);
        buffer_append_slice(&scanner->whole, run);
    }
    emit(scanner, buffer_slice(&scanner->whole), true);
    return true;
}

static void emit_option(struct scanner *scanner)
{
    const char *start = scanner->runs[0].ptr;
    if (scanner->dashes == 1 && scanner->count == 1 && scanner->runs[0].len == 1)
        emit(scanner, (struct slice){start - 1, 2}, true);
    if (scanner->dashes != 2) return;
    scanner->folded.len = 0;
    buffer_append_text(&scanner->folded, "--");
    buffer_append_slice(&scanner->folded, buffer_slice(&scanner->whole));
    emit(scanner, buffer_slice(&scanner->folded), true);
}

static void emit_compound(struct scanner *scanner)
{
    scanner->whole.len = 0;
    if (!scanner->count) return;
    if (scanner->broken) {
        fold_broken(scanner);
    } else if (!emit_number(scanner)) {
        for (size_t i = 0; i < scanner->count; i++) emit_run(scanner, scanner->runs[i]);
        if (scanner->count > 1) emit(scanner, buffer_slice(&scanner->whole), false);
        emit_option(scanner);
    }
    scanner->count = 0;
    scanner->broken = false;
}

/* A typesetter's hyphen (U+2010, U+00AD) or none, then a line's end, then its indentation. */
static bool is_hyphenation(struct slice gap)
{
    static const char *const hyphens[] = {"\xE2\x80\x90", "\xC2\xAD"};
    for (size_t i = 0; i < ARRAY_LEN(hyphens); i++) {
        size_t len = strlen(hyphens[i]);
        if (gap.len <= len || memcmp(gap.ptr, hyphens[i], len) != 0) continue;
        struct slice rest = {gap.ptr + len, gap.len - len};
        if (rest.ptr[0] == '\n' && text_trim(rest).len == 0) return true;
    }
    return false;
}

static enum joint joint_of(const char *from, struct slice next)
{
    struct slice gap = {from, (size_t)(next.ptr - from)};
    if (is_hyphenation(gap)) return BROKEN;
    if (gap.len == 3 && (!memcmp(from, "\xE2\x80\x90", 3) || !memcmp(from, "\xE2\x80\x91", 3)))
        return JOINED;
    if (gap.len != 1) return APART;
    if (*from == '-' || *from == '.') return JOINED;
    return *from == ',' && is_digit(from[-1]) && is_digit(*next.ptr) ? JOINED : APART;
}

static unsigned count_dashes(struct slice text, const char *at)
{
    unsigned dashes = 0;
    while (at > text.ptr && at[-1] == '-' && dashes < 3) at--, dashes++;
    bool clear = at == text.ptr || strchr(" \t\n[(|,'\"`=/<", at[-1]) || (at[-1] & 0x80);
    return clear ? dashes : 0;
}

static void open_compound(struct scanner *scanner, struct slice run)
{
    emit_compound(scanner);
    scanner->dashes = count_dashes(scanner->text, run.ptr);
    scanner->runs[scanner->count++] = run;
}

void words_scan(const struct language *language, struct slice text,
                void (*each)(void *context, const struct word *word), void *context)
{
    struct scanner scanner = {.language = language, .each = each, .context = context, .text = text};
    struct text_words words = {text, 0};
    struct slice run;
    while (text_next_word(&words, &run)) {
        struct slice *last = scanner.count ? &scanner.runs[scanner.count - 1] : NULL;
        enum joint joint = last ? joint_of(last->ptr + last->len, run) : APART;
        if (joint == APART || scanner.count == RUNS_MAX) {
            open_compound(&scanner, run);
            continue;
        }
        scanner.broken |= joint == BROKEN;
        scanner.runs[scanner.count++] = run;
    }
    emit_compound(&scanner);
    buffer_free(&scanner.folded);
    buffer_free(&scanner.whole);
    buffer_free(&scanner.run_whole);
}
