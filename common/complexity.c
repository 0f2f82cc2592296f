/* A message is judged sentence by sentence: openers and closers come off both ends ("Hola!", "could
 * you please tell me", "thanks"), idioms are hidden, and the first list of patterns with a match,
 * from comprehensive down, gives the level. The message has the highest level of the sentences that
 * ask; those that only tell what led to the question ("We moved all our servers last week.") count
 * where nothing asks. Two questions in one message are complex. */
#include "common/complexity.h"

#include "common/language_file.h"
#include "common/tokens.h"

/* Words without a known pattern: so many still ask for one thing. */
enum { SHORT_WORDS_MAX = 8 };

static const struct complexity_profile profiles[COMPLEXITY_COUNT] = {
    [COMPLEXITY_TRIVIAL] = {"trivial", 0, 500},
    [COMPLEXITY_SIMPLE] = {"simple", 3, 2000},
    [COMPLEXITY_MEDIUM] = {"medium", 8, 4000},
    [COMPLEXITY_COMPLEX] = {"complex", 10, 5000},
    [COMPLEXITY_COMPREHENSIVE] = {"comprehensive", 15, 6000},
};

/* The lists that give a level, in the order in which they are tried. */
static const struct {
    enum pattern_list_id list;
    enum complexity level;
} levels[] = {
    {PATTERNS_COMPREHENSIVE, COMPLEXITY_COMPREHENSIVE},
    {PATTERNS_COMPLEX, COMPLEXITY_COMPLEX},
    {PATTERNS_DEFINITION, COMPLEXITY_SIMPLE},
    {PATTERNS_MEDIUM, COMPLEXITY_MEDIUM},
    {PATTERNS_SIMPLE, COMPLEXITY_SIMPLE},
    {PATTERNS_TOPIC, COMPLEXITY_MEDIUM},
};

/* What may stand before a question, strongest first, and the key of the answer where nothing
 * follows (NULL: no answer of its own); only some may end a question. So many words without a known
 * pattern or a question mark belong to the opener before them ("thanks for explaining"). */
static const struct {
    enum pattern_list_id list;
    const char *key;
    bool closes;
    size_t trailing_max;
} openers[] = {
    {PATTERNS_GOODBYE, "goodbye", true, 3},        {PATTERNS_THANKS, "thanks", true, 7},
    {PATTERNS_SMALL_TALK, "small_talk", false, 3}, {PATTERNS_GREETING, "greeting", false, 2},
    {PATTERNS_POLITENESS, NULL, true, 0},          {PATTERNS_REQUEST, NULL, false, 0},
};

struct sentence {
    struct pattern_word *words;
    size_t count;
    struct pattern_summary summary; /* of the whole sentence, also when words were taken off */
    bool question;
};

struct verdict {
    enum complexity asked; /* by the sentences that ask something */
    enum complexity told;  /* by the others, which count where nothing asks */
    size_t opener;         /* the strongest opener met; ARRAY_LEN(openers): none */
    size_t trailing_max;   /* of the last one at the sentence's front */
    bool requests;         /* one in the sentence was a request ("I'd like to know") */
    size_t questions;      /* sentences that ask something */
};

/* What a capitalised word inside a sentence looks like means nothing: it is a name. Returns how
 * many words the token stands for, at most SPELLING_WORDS_MAX. */
static size_t see_words(const struct language *language, const struct token *token,
                        struct pattern_word *words)
{
    const struct vocabulary *vocabulary = language->vocabulary;
    bool capital = token->capital && !token->clause;
    uint32_t number = token->name ? 0 : vocabulary_find(vocabulary, token->word);
    uint32_t meant[SPELLING_WORDS_MAX];
    bool name = token->name || (capital && !number);
    if (!name && !number) number = vocabulary_mend(vocabulary, token->word);
    size_t count = vocabulary_meant(vocabulary, number, meant);
    for (size_t i = 0; i < count; i++) {
        words[i] = (struct pattern_word){.number = meant[i], .clause = token->clause && i == 0};
        if (!name) words[i].sets = vocabulary_sets(vocabulary, meant[i], token->word);
        if (capital) words[i].sets |= language->capital;
    }
    return count;
}

/* The longest match of a list's patterns at `at`; 0 when none matches. */
static size_t longest_match(const struct pattern_list *list, const struct sentence *sentence,
                            size_t at)
{
    size_t longest = 0, end;
    for (size_t i = 0; i < list->count; i++)
        if (pattern_may_match(list->items[i], &sentence->summary) &&
            pattern_match(list->items[i], sentence->words, sentence->count, at, &end))
            longest = MAX(longest, end - at);
    return longest;
}

static bool matches(const struct pattern_list *list, const struct sentence *sentence)
{
    size_t end;
    for (size_t i = 0; i < list->count; i++) {
        if (!pattern_may_match(list->items[i], &sentence->summary)) continue;
        for (size_t at = 0; at < sentence->count; at++)
            if (pattern_match(list->items[i], sentence->words, sentence->count, at, &end))
                return true;
    }
    return false;
}

static void note_opener(struct verdict *verdict, size_t opener)
{
    verdict->opener = MIN(verdict->opener, opener);
    verdict->requests |= openers[opener].list == PATTERNS_REQUEST;
}

/* Takes one opener off the front. */
static bool strip_front(const struct language *language, struct sentence *sentence,
                        struct verdict *verdict)
{
    size_t longest = 0, opener = 0;
    for (size_t i = 0; i < ARRAY_LEN(openers); i++) {
        size_t length = longest_match(&language->patterns[openers[i].list], sentence, 0);
        if (length > longest) longest = length, opener = i;
    }
    if (!longest) return false;
    sentence->words += longest;
    sentence->count -= longest;
    if (sentence->count) sentence->words[0].clause = true;
    note_opener(verdict, opener);
    verdict->trailing_max = openers[opener].trailing_max;
    return true;
}

/* Takes one closer off the end. */
static bool strip_end(const struct language *language, struct sentence *sentence,
                      struct verdict *verdict)
{
    for (size_t at = 1; at < sentence->count; at++)
        for (size_t i = 0; i < ARRAY_LEN(openers); i++) {
            if (!openers[i].closes && !sentence->words[at].clause) continue;
            size_t length = longest_match(&language->patterns[openers[i].list], sentence, at);
            if (at + length < sentence->count) continue;
            sentence->count = at;
            note_opener(verdict, i);
            return true;
        }
    return false;
}

static void hide_idioms(const struct language *language, struct sentence *sentence)
{
    for (size_t at = 0; at < sentence->count; at++) {
        size_t length = longest_match(&language->patterns[PATTERNS_IDIOM], sentence, at);
        for (size_t i = at; i < at + length; i++)
            sentence->words[i] = (struct pattern_word){.clause = sentence->words[i].clause};
    }
}

static bool level_by_pattern(const struct language *language, const struct sentence *sentence,
                             enum complexity *level)
{
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (!matches(&language->patterns[levels[i].list], sentence)) continue;
        *level = levels[i].level;
        return true;
    }
    return false;
}

/* Whether it speaks of nothing but people's day: "I'll check with my manager". */
static bool is_social(const struct language *language, const struct sentence *sentence)
{
    for (size_t i = 0; i < sentence->count; i++)
        if (!(sentence->words[i].sets & language->social)) return false;
    return true;
}

/* Of what asks nothing and has no known pattern: "I'll try that", "thanks for explaining". */
static bool is_remark(const struct language *language, const struct sentence *sentence,
                      const struct verdict *verdict)
{
    if (verdict->requests) return false;
    if (longest_match(&language->patterns[PATTERNS_REMARK], sentence, 0)) return true;
    return sentence->count <= verdict->trailing_max || is_social(language, sentence);
}

static void judge_sentence(const struct language *language, struct sentence sentence,
                           struct verdict *verdict)
{
    verdict->trailing_max = 0;
    verdict->requests = false;
    while (sentence.count &&
           (strip_front(language, &sentence, verdict) || strip_end(language, &sentence, verdict)))
        continue;
    if (!sentence.count) return;
    hide_idioms(language, &sentence);
    enum complexity level =
        sentence.count <= SHORT_WORDS_MAX ? COMPLEXITY_SIMPLE : COMPLEXITY_MEDIUM;
    bool tells = longest_match(&language->patterns[PATTERNS_STATEMENT], &sentence, 0) > 0;
    bool known = level_by_pattern(language, &sentence, &level);
    bool asks = sentence.question || verdict->requests || (known && !tells);
    if (!known && !sentence.question && is_remark(language, &sentence, verdict)) return;
    verdict->questions += known && sentence.question;
    enum complexity *counts = asks ? &verdict->asked : &verdict->told;
    *counts = MAX(*counts, level);
}

/* Clauses start at some words and behind others, too: messages often lack their commas. */
static void start_clauses(const struct language *language, struct pattern_word *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        words[i].clause |= (words[i].sets & language->starting) ||
                           (i > 0 && words[i - 1].sets & language->parting);
}

static struct verdict judge(const struct language *language, struct slice text)
{
    struct pattern_word words[TOKENS_MAX * SPELLING_WORDS_MAX];
    struct tokens tokens;
    struct verdict verdict = {.opener = ARRAY_LEN(openers)};
    tokens_scan(text, &tokens);
    for (size_t i = 0, count = 0; i < tokens.count; i++) {
        const struct token *token = &tokens.items[i];
        count += see_words(language, token, words + count);
        if (i + 1 < tokens.count && !token[1].sentence) continue;
        start_clauses(language, words, count);
        struct sentence sentence = {words, count, pattern_summary(words, count), token->question};
        judge_sentence(language, sentence, &verdict);
        count = 0;
    }
    tokens_free(&tokens);
    if (verdict.questions > 1) verdict.asked = MAX(verdict.asked, COMPLEXITY_COMPLEX);
    return verdict;
}

static enum complexity level_of(const struct verdict *verdict)
{
    return verdict->asked ? verdict->asked : verdict->told;
}

enum complexity complexity_classify(const struct language *language, struct slice text)
{
    struct verdict verdict = judge(language, text);
    return level_of(&verdict);
}

const char *complexity_small_talk(const struct language *language, struct slice text)
{
    struct verdict verdict = judge(language, text);
    if (level_of(&verdict) != COMPLEXITY_TRIVIAL) return NULL;
    const char *key = verdict.opener < ARRAY_LEN(openers) ? openers[verdict.opener].key : NULL;
    return key ? key : "small_talk";
}

const struct complexity_profile *complexity_profile(enum complexity level)
{
    return &profiles[level];
}
