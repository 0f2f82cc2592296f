#include "workers/generator/question.h"

#include <ctype.h>

#include "common/tokens.h"

/* The sets of the language's file that a question's words are looked up in. */
struct sets {
    uint64_t stop, question, show, every, asking, comparing, joining, leaning;
    uint64_t frequent, things, documents, relating, plural, technology, who, when, where, many;
};

struct reading {
    const struct asked *asked;
    struct slice message; /* being read */
    struct stemmer *stemmer;
    struct question *question;
    struct sets sets;
    bool earlier;  /* reading a question before this one */
    bool leans;    /* "its", "that": on what was asked before */
    bool compares; /* "compare", "difference" */
    bool several;  /* "projects", not "project" */
    bool counts;   /* "how many", "how fast", "cuántos" */
    bool joined;   /* a joining word or a comma since the last term */
};

static struct sets sets_of(const struct language *language)
{
    return (struct sets){
        .stop = language_set(language, "stop"),
        .question = language_set(language, "question"),
        .show = language_set(language, "show"),
        .every = language_set(language, "every"),
        .asking = language_set(language, "asking"),
        .comparing = language_set(language, "comparing"),
        .joining = language_set(language, "joining"),
        .leaning = language_set(language, "leaning"),
        .frequent = language_set(language, "frequent"),
        .things = language_set(language, "things"),
        .documents = language_set(language, "documents"),
        .relating = language_set(language, "relating"),
        .plural = language_set(language, "plural"),
        .technology = language_set(language, "technology"),
        .who = language_set(language, "who"),
        .when = language_set(language, "when"),
        .where = language_set(language, "where"),
        .many = language_set(language, "many"),
    };
}

static bool has_digit(struct slice word)
{
    for (size_t i = 0; i < word.len; i++)
        if (isdigit((unsigned char)word.ptr[i])) return true;
    return false;
}

static void copy_word(struct slice word, char *to, unsigned char *len)
{
    *len = (unsigned char)text_cut(word, TERM_BYTES_MAX);
    memcpy(to, word.ptr, *len);
}

static struct term *find_term(struct question *question, struct slice stem)
{
    for (size_t i = 0; i < question->count; i++)
        if (slice_equal(term_stem(&question->terms[i]), stem)) return &question->terms[i];
    return NULL;
}

static void add_term(struct reading *reading, const struct token *token, uint64_t sets)
{
    struct question *question = reading->question;
    struct slice stem =
        reading->stemmer ? stemmer_stem(reading->stemmer, token->word) : token->word;
    if (reading->joined && question->count && !reading->earlier)
        question->groups = MIN(question->groups + 1, (unsigned)GROUPS_MAX - 1);
    reading->joined = false;
    if (question->count == TERMS_MAX || find_term(question, stem)) return;
    struct term *term = &question->terms[question->count++];
    *term = (struct term){
        .raw = token->raw,
        .message = reading->message,
        .group = question->groups,
        .document = sets & reading->sets.documents,
        .relating = sets & reading->sets.relating,
        .frequent = sets & reading->sets.frequent,
        .thing = sets & (reading->sets.things | reading->sets.documents | reading->sets.relating),
        .name = token->name || (token->capital && !token->clause) || has_digit(token->word) ||
                sets & reading->sets.technology,
        .known = sets & ~reading->sets.plural,
        .earlier = reading->earlier,
    };
    copy_word(token->word, term->word, &term->word_len);
    copy_word(stem, term->stem, &term->stem_len);
}

/* Words that ask and are not what is asked for. */
static bool only_asks(const struct reading *reading, const struct token *token, uint64_t sets)
{
    const struct sets *of = &reading->sets;
    if (token->name) return false;
    if (token->word.len == 1 && !isdigit((unsigned char)token->word.ptr[0]))
        return !(isupper((unsigned char)token->raw.ptr[0]) && !token->clause) || token->attached;
    uint64_t empty = of->stop | of->question | of->show | of->every | of->asking | of->comparing |
                     of->joining | of->who | of->when | of->where;
    if (reading->counts) empty |= of->many;
    return sets & empty && !(sets & of->technology);
}

static void note_wants(struct reading *reading, uint64_t sets)
{
    const struct sets *of = &reading->sets;
    struct question *question = reading->question;
    if (sets & of->who) question->wants |= WANTS_PERSON;
    if (sets & of->when) question->wants |= WANTS_TIME;
    if (sets & of->where) question->wants |= WANTS_PLACE;
    if (reading->counts) question->wants |= WANTS_NUMBER;
    if (sets & of->comparing) reading->compares = true;
    if (sets & of->leaning) reading->leans = true;
    if (sets & of->documents) question->documents = true;
    if (sets & of->documents && sets & of->plural) reading->several = true;
}

static void read_tokens(struct reading *reading, const struct tokens *tokens)
{
    uint64_t before = 0, question = reading->sets.question;
    for (size_t i = 0; i < tokens->count; i++) {
        const struct token *token = &tokens->items[i];
        uint64_t sets = language_word_sets(reading->asked->language, token->word);
        reading->counts = sets & reading->sets.many && (sets | before) & question;
        if (!reading->earlier && !token->name) note_wants(reading, sets);
        if (sets & reading->sets.joining || token->clause) reading->joined = true;
        if (!only_asks(reading, token, sets)) add_term(reading, token, sets);
        before = sets;
    }
}

static void read_message(struct reading *reading, struct slice message)
{
    struct tokens tokens;
    reading->message = message;
    tokens_scan(message, &tokens);
    read_tokens(reading, &tokens);
    tokens_free(&tokens);
}

static size_t count_specific(const struct question *question)
{
    size_t count = 0;
    for (size_t i = 0; i < question->count; i++) count += !question->terms[i].thing;
    return count;
}

static bool names_something(const struct question *question, size_t from)
{
    size_t specific = 0;
    for (size_t i = from; i < question->count; i++) {
        if (question->terms[i].name) return true;
        specific += !question->terms[i].thing;
    }
    return specific > 1;
}

/* A question with little of its own, or one that says "its", is about what was asked before. */
static void read_earlier(struct reading *reading)
{
    struct question *question = reading->question;
    size_t own = question->count;
    if (count_specific(question) > 1 && !reading->leans) return;
    bool other_side = reading->compares && question->groups == 0; /* "compare it with Vue" */
    reading->earlier = own > 0 && !other_side;
    reading->joined = other_side;
    for (size_t i = 0; i < reading->asked->earlier_count; i++) {
        size_t before = question->count;
        read_message(reading, reading->asked->earlier[i]);
        if (names_something(question, before)) break; /* else that one leans as well */
    }
}

static enum question_shape shape_of(const struct reading *reading)
{
    const struct question *question = reading->question;
    if (question->level == COMPLEXITY_COMPREHENSIVE) return QUESTION_LIST;
    if (reading->compares && question->groups > 0) return QUESTION_COMPARISON;
    if (reading->several) return QUESTION_LIST;
    bool things_alone = question->count && !count_specific(question);
    return things_alone && question->level >= COMPLEXITY_MEDIUM ? QUESTION_LIST : QUESTION_PLAIN;
}

void question_read(const struct asked *asked, struct stemmer *stemmer, struct question *question)
{
    struct reading reading = {.asked = asked, .stemmer = stemmer, .question = question};
    question->language = asked->language;
    question->answer_in = asked->answer_in ? asked->answer_in : asked->language;
    question->level = asked->level;
    question->count = question->groups = question->wants = 0;
    question->documents = false;
    reading.sets = sets_of(asked->language);
    read_message(&reading, asked->message);
    size_t own = question->count;
    if (asked->earlier_count) read_earlier(&reading);
    question->shape = shape_of(&reading);
    bool everyday = false;
    for (size_t i = 0; i < own; i++)
        everyday |= question->terms[i].frequent && !question->terms[i].name;
    question->definition = own > 0 && own <= 3 && !everyday && !question->wants &&
                           !question->groups && count_specific(question) == own &&
                           question->shape == QUESTION_PLAIN;
}
