/* Reads a language file line by line; its format is told at the top of languages/en.lang. Each
 * section has a reader for one line. */
#include "common/language_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/text.h"

struct reader;
typedef bool line_reader(struct reader *reader, struct slice line);

struct reader {
    struct language *language;
    line_reader *read_line;
    unsigned set;              /* of [words NAME] */
    bool triggers;             /* typos are mended to this set's words */
    struct pattern_list *list; /* of [patterns NAME] */
    size_t reading;            /* of [reading NAME] */
};

static struct slice take_until(struct slice *text, char separator)
{
    const char *at = text->len ? memchr(text->ptr, separator, text->len) : NULL;
    struct slice part = {text->ptr, at ? (size_t)(at - text->ptr) : text->len};
    size_t used = MIN(part.len + 1, text->len);
    *text = (struct slice){text->ptr + used, text->len - used};
    return part;
}

/* Splits "key = text". */
static bool split_setting(struct slice line, struct slice *key, struct slice *value)
{
    *key = text_trim(take_until(&line, '='));
    *value = text_trim(line);
    return key->len && value->len;
}

static bool read_setting(struct reader *reader, struct slice line)
{
    struct slice key, value;
    if (!split_setting(line, &key, &value)) return false;
    char **field = slice_equal(key, SLICE("name"))      ? &reader->language->name
                   : slice_equal(key, SLICE("stemmer")) ? &reader->language->stemmer
                                                        : NULL;
    if (!field || *field) return false;
    *field = xstrndup(value.ptr, value.len);
    return true;
}

static bool read_letters(struct reader *reader, struct slice line)
{
    struct language *language = reader->language;
    while (line.len) {
        uint32_t c = text_take(&line);
        if (c == ' ') continue;
        language->letters = xgrow(language->letters, &language->letter_capacity,
                                  language->letter_count + 1, sizeof *language->letters);
        language->letters[language->letter_count++] = c;
    }
    return true;
}

static bool read_words(struct reader *reader, struct slice line)
{
    struct buffer folded = {0};
    text_fold(line, &folded);
    struct slice rest = buffer_slice(&folded);
    while (rest.len) {
        struct slice item = take_until(&rest, ' ');
        if (item.len)
            vocabulary_put(reader->language->vocabulary, reader->set, item, reader->triggers);
    }
    buffer_free(&folded);
    return true;
}

static bool read_pattern(struct reader *reader, struct slice line)
{
    struct pattern_list *list = reader->list;
    struct buffer folded = {0};
    text_fold(line, &folded);
    struct pattern *pattern = pattern_new(buffer_slice(&folded), reader->language->vocabulary);
    buffer_free(&folded);
    if (!pattern) return false;
    list->items = xgrow(list->items, &list->capacity, list->count + 1, sizeof(struct pattern *));
    list->items[list->count++] = pattern;
    return true;
}

static bool read_phrase(struct reader *reader, struct slice line)
{
    struct language *language = reader->language;
    struct slice key, text;
    if (!split_setting(line, &key, &text)) return false;
    language->phrases = xgrow(language->phrases, &language->phrase_capacity,
                              language->phrase_count + 1, sizeof *language->phrases);
    language->phrases[language->phrase_count++] =
        (struct phrase){xstrndup(key.ptr, key.len), xstrndup(text.ptr, text.len)};
    return true;
}

static bool read_synonyms(struct reader *reader, struct slice line)
{
    struct language *language = reader->language;
    struct buffer folded = {0};
    text_fold(line, &folded);
    language->synonyms = xgrow(language->synonyms, &language->synonym_capacity,
                               language->synonym_count + 1, sizeof *language->synonyms);
    language->synonyms[language->synonym_count++] = buffer_slice(&folded);
    return memchr(folded.data, ' ', folded.len) != NULL;
}

static bool read_reading(struct reader *reader, struct slice line)
{
    struct reading_lines *reading = &reader->language->readings[reader->reading];
    struct buffer folded = {0};
    text_fold(line, &folded);
    reading->lines =
        xgrow(reading->lines, &reading->capacity, reading->count + 1, sizeof *reading->lines);
    reading->lines[reading->count++] = buffer_slice(&folded);
    return true;
}

/* Adds the words of `text`; returns how many, at most `max`. */
static size_t add_words(struct reader *reader, struct slice text, uint32_t *numbers, size_t max)
{
    size_t count = 0;
    while (text.len && count < max) {
        struct slice word = take_until(&text, ' ');
        if (word.len) numbers[count++] = vocabulary_add(reader->language->vocabulary, word, false);
    }
    return text.len ? 0 : count;
}

/* "what s = whats wats": what is meant, and other ways to write it. */
static bool read_spellings(struct reader *reader, struct slice line)
{
    struct slice meant, rest;
    struct buffer folded = {0};
    uint32_t numbers[SPELLING_WORDS_MAX];
    text_fold(line, &folded);
    bool sound = split_setting(buffer_slice(&folded), &meant, &rest);
    size_t count = sound ? add_words(reader, meant, numbers, SPELLING_WORDS_MAX) : 0;
    for (sound = count > 0; sound && rest.len;) {
        struct slice word = take_until(&rest, ' ');
        sound = !word.len ||
                vocabulary_add_spelling(reader->language->vocabulary, numbers, count, word);
    }
    buffer_free(&folded);
    return sound;
}

static bool open_words(struct reader *reader, struct slice name)
{
    static const char *const plain[] = {"stop",      "negation", "frequent", "typical",
                                        "asking",    "leaning",  "joining",  "comparing",
                                        "documents", "relating", "pointing"};
    if (!name.len) return false;
    reader->set = vocabulary_set(reader->language->vocabulary, name);
    reader->triggers = true;
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        if (slice_equal(name, slice_of(plain[i]))) reader->triggers = false;
    return true;
}

static bool open_shapes(struct reader *reader, struct slice name)
{
    if (!open_words(reader, name)) return false;
    reader->triggers = false;
    reader->language->shapes |= (word_sets)1 << reader->set;
    return true;
}

static bool open_patterns(struct reader *reader, struct slice name)
{
#define X(id, text) text,
    static const char *const names[] = {PATTERN_LISTS(X)};
#undef X
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (slice_equal(name, slice_of(names[i])))
            return reader->list = &reader->language->patterns[i], true;
    return false;
}

static bool open_reading(struct reader *reader, struct slice name)
{
    struct language *language = reader->language;
    language->readings = xgrow(language->readings, &language->reading_capacity,
                               language->reading_count + 1, sizeof *language->readings);
    reader->reading = language->reading_count++;
    language->readings[reader->reading] =
        (struct reading_lines){.name = xstrndup(name.ptr, name.len)};
    return name.len > 0;
}

static bool open_plain(struct reader *reader, struct slice name)
{
    (void)reader;
    return name.len == 0;
}

/* "[kind name]" */
static bool open_section(struct reader *reader, struct slice line)
{
    static const struct {
        const char *kind;
        bool (*open)(struct reader *reader, struct slice name);
        line_reader *read_line;
    } sections[] = {
        {"language", open_plain, read_setting},    {"letters", open_plain, read_letters},
        {"words", open_words, read_words},         {"phrases", open_plain, read_phrase},
        {"patterns", open_patterns, read_pattern}, {"synonyms", open_plain, read_synonyms},
        {"spellings", open_plain, read_spellings}, {"shapes", open_shapes, read_words},
        {"reading", open_reading, read_reading},
    };
    if (line.ptr[line.len - 1] != ']') return false;
    struct slice name = {line.ptr + 1, line.len - 2};
    struct slice kind = take_until(&name, ' ');
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        if (!slice_equal(kind, slice_of(sections[i].kind))) continue;
        reader->read_line = sections[i].read_line;
        return sections[i].open(reader, name);
    }
    return false;
}

static bool read_line(struct reader *reader, struct slice line)
{
    line = text_trim(line);
    if (!line.len || line.ptr[0] == '#') return true;
    if (line.ptr[0] == '[') return open_section(reader, line);
    return reader->read_line && reader->read_line(reader, line);
}

static word_sets set_bit(struct language *language, const char *name)
{
    return (word_sets)1 << vocabulary_set(language->vocabulary, slice_of(name));
}

struct language *language_parse(const char *code, const char *text)
{
    struct language *language = xcalloc(1, sizeof *language);
    struct reader reader = {.language = language};
    struct slice rest = slice_of(text);
    language->code = code;
    language->vocabulary = vocabulary_new();
    for (size_t number = 1; rest.len; number++) {
        if (read_line(&reader, take_until(&rest, '\n'))) continue;
        fprintf(stderr, "languages/%s.lang:%zu: malformed\n", code, number);
        abort();
    }
    vocabulary_seal(language->vocabulary);
    language->stop = set_bit(language, "stop");
    language->negation = set_bit(language, "negation");
    language->typical = set_bit(language, "typical");
    language->capital = set_bit(language, "capital");
    language->starting = set_bit(language, "starting");
    language->parting = set_bit(language, "parting");
    language->social = set_bit(language, "social") | set_bit(language, "chatter") |
                       set_bit(language, "praise") | language->stop;
    if (language->name && language->stemmer) return language;
    fprintf(stderr, "languages/%s.lang: [language] needs name and stemmer\n", code);
    abort();
}
