/* The word leg of portfolios that are searched in the database beside that of the same portfolio in
 * memory: whatever is asked, both find the same chunks with the same scores. Texts and questions
 * are made up of real words of two languages; questions misspell, join and part them, and use
 * synonyms. */
#include "../retriever/store_fixture.h"

#include <math.h>

#include "workers/retriever/portfolios.h"
#include "workers/retriever/postgres_words.h"

enum { MANY = 1600, DOCUMENTS = 90, LEAST = 20, QUESTIONS = 150, WORDS = 40 };

static const struct {
    const char *code;
    const char *words[WORDS];
    const char *between[5]; /* stop words: by these a text's language is known */
} languages[] = {
    {"en",
     {"delete",     "remove",    "connection", "server",    "database",  "memory", "buffer",
      "session",    "terminate", "process",    "vacuum",    "storage",   "table",  "lock",
      "timeout",    "duration",  "statement",  "semaphore", "worker",    "log",    "file",
      "directory",  "package",   "repository", "owner",     "group",     "index",  "query",
      "autovacuum", "logfile",   "backup",     "restore",   "change",    "rename", "machine",
      "network",    "firewall",  "password",   "kernel",    "filesystem"},
     {"the", "of the", "and the", "with a", "is in the"}},
    {"es",
     {"borrar",    "directorio",  "carpeta",  "instalar",    "paquete",   "repositorio", "usuario",
      "grupo",     "propietario", "fichero",  "archivo",     "servidor",  "memoria",     "sesión",
      "proceso",   "tabla",       "bloqueo",  "consulta",    "respaldo",  "restaurar",   "cambiar",
      "renombrar", "máquina",     "red",      "cortafuegos", "clave",     "núcleo",      "copia",
      "eliminar",  "reiniciar",   "arranque", "parar",       "señal",     "pantalla",    "teclado",
      "idioma",    "índice",      "registro", "conexión",    "contraseña"},
     {"la", "de los", "y el", "con una", "es en la"}},
};

/* --- chance --- */

static uint64_t random_state;

/* xorshift64 (Marsaglia 2003): the same numbers in every run. */
static size_t below(size_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (size_t)(random_state >> 20) % bound;
}

static const char *any_word(size_t language)
{
    return languages[language].words[below(WORDS)];
}

/* --- texts --- */

static struct slice any_text(struct fixture *f, size_t language)
{
    struct buffer text = {0};
    for (size_t words = 4 + below(30); words; words--)
        buffer_printf(&text, "%s %s ", languages[language].between[below(5)], any_word(language));
    buffer_printf(&text, "node%zu.", below(DOCUMENTS));
    struct slice kept = arena_slice(&f->arena, buffer_slice(&text));
    buffer_free(&text);
    return kept;
}

static struct document any_document(struct fixture *f, size_t source, size_t language)
{
    char name[16];
    snprintf(name, sizeof(name), "s-%zu", source);
    return (struct document){.source = arena_slice(&f->arena, slice_of(name)),
                             .content = any_text(f, language)};
}

static void put_all(struct fixture *f, uint64_t id, struct document *documents, size_t count)
{
    struct put_documents put = {.portfolio_id = id, .documents = {documents, count}};
    assert_int_equal(call(f, KIND_DOCUMENT_PUT, &put, NULL), OK);
}

static void put_any(struct fixture *f, uint64_t id, size_t source, size_t language)
{
    struct document document = any_document(f, source, language);
    put_all(f, id, &document, 1);
}

static uint64_t make_bilingual(struct fixture *f)
{
    struct document documents[DOCUMENTS];
    uint64_t id = make_portfolio(f, NULL);
    for (size_t i = 0; i < DOCUMENTS; i++) documents[i] = any_document(f, i, i % 3 == 0);
    put_all(f, id, documents, DOCUMENTS);
    return id;
}

/* --- questions --- */

static void misspell(struct buffer *word)
{
    size_t at = 1 + below(word->len - 1);
    switch (below(4)) {
    case 0: word->data[at] = (char)('a' + below(26)); break;
    case 1: /* a letter less */
        memmove(word->data + at, word->data + at + 1, word->len - at - 1);
        word->len--;
        break;
    case 2: /* one twice */
        buffer_append_char(word, ' ');
        memmove(word->data + at + 1, word->data + at, word->len - at - 1);
        break;
    default: /* two swapped */
        if (at + 1 == word->len) break;
        char kept = word->data[at];
        word->data[at] = word->data[at + 1];
        word->data[at + 1] = kept;
    }
}

static void ask_word(struct buffer *question, size_t language)
{
    struct buffer word = {0};
    buffer_append_text(&word, any_word(language));
    switch (below(5)) {
    case 0: misspell(&word); break;
    case 1: buffer_append_text(&word, any_word(language)); break; /* joined */
    case 2: buffer_printf(&word, "s node%zu", below(2 * DOCUMENTS)); break;
    default: break;
    }
    if (question->len) buffer_append_char(question, ' ');
    buffer_append_slice(question, buffer_slice(&word));
    buffer_free(&word);
}

static const struct language *any_question(struct buffer *question)
{
    size_t language = below(2);
    question->len = 0;
    for (size_t words = 1 + below(4); words; words--)
        ask_word(question, below(8) ? language : 1 - language);
    return language_find(slice_of(languages[language].code));
}

/* --- both searches --- */

struct asked {
    struct portfolio_wait wait;
    struct store *store; /* that the portfolio is searched in */
    struct resident_query query;
    struct store_search search;
    struct resident_hit hits[DOCUMENTS];
    size_t count;
    bool in_store, done;
};

static void on_searched(struct store_search *search)
{
    struct asked *asked = search->context;
    assert_int_equal(search->error, OK);
    asked->count = search->count;
    asked->done = true;
}

static void on_ready(struct portfolio_wait *wait, err_t error, const struct portfolio_view *view)
{
    struct asked *asked = wait->context;
    assert_int_equal(error, OK);
    asked->in_store = !view->resident;
    if (view->resident) {
        asked->count = resident_search(view->resident, &asked->query, asked->hits);
        asked->done = true;
        return;
    }
    asked->search = (struct store_search){.portfolio_id = wait->portfolio_id,
                                          .query = &asked->query,
                                          .terms = view->terms,
                                          .dimensions = DIMENSIONS,
                                          .hits = asked->hits,
                                          .done = on_searched,
                                          .context = asked};
    store_search(asked->store, &asked->search);
}

/* A store and what it has been asked for. */
struct place {
    struct store *store;
    struct portfolio_cache *cache;
};

static struct place open_place(struct fixture *f, uint64_t chunks_max)
{
    struct place place;
    f->index = (struct index_options){
        .chunks_max = chunks_max, .m = 16, .ef_construction = 64, .ef_search = 100};
    assert_int_equal(fixture_open(f, &place.store), OK);
    place.cache = portfolio_cache_new(place.store, 1 << 30, 100000);
    return place;
}

static void close_place(struct place *place)
{
    store_close(&place->store);
    portfolio_cache_destroy(&place->cache);
}

static void ask(struct fixture *f, const struct place *place, uint64_t id, struct slice question,
                const struct language *language, struct asked *asked)
{
    *asked = (struct asked){.store = place->store};
    asked->query = (struct resident_query){
        .text = question, .language = language, .top_k = DOCUMENTS, .merge = false};
    asked->wait = (struct portfolio_wait){.portfolio_id = id, .ready = on_ready, .context = asked};
    portfolio_cache_want(place->cache, &asked->wait);
    fixture_wait(f, &asked->done);
}

/* Tables are made in the background, when somebody asks. */
static void wait_until_in_store(struct fixture *f, const struct place *place, uint64_t id)
{
    struct asked asked = {0};
    uint64_t until = clock_ms() + WAIT_MS;
    while (!asked.in_store && clock_ms() < until)
        ask(f, place, id, SLICE("server"), language_find(SLICE("en")), &asked);
    assert_true(asked.in_store);
}

static const struct resident_hit *hit_of(const struct asked *asked, uint64_t chunk_id)
{
    for (size_t i = 0; i < asked->count; i++)
        if (asked->hits[i].chunk_id == chunk_id) return &asked->hits[i];
    return NULL;
}

/* The same chunks and scores but for what rounding does, and so the same order. */
static void compare(struct slice question, const struct asked *got, const struct asked *want)
{
    const float near = 1e-4f;
    bool same = got->count == want->count;
    for (size_t i = 0; same && i < want->count; i++) {
        const struct resident_hit *hit = hit_of(got, want->hits[i].chunk_id);
        same = hit && fabsf(hit->bm25 - want->hits[i].bm25) < near &&
               fabsf(got->hits[i].bm25 - want->hits[i].bm25) < near;
    }
    if (!same)
        fail_msg("\"%.*s\": %zu hits in the database, %zu in memory, or others", (int)question.len,
                 question.ptr, got->count, want->count);
}

static size_t compare_one(struct fixture *f, const struct place *large, const struct place *memory,
                          uint64_t id, struct slice question, const struct language *language)
{
    static struct asked got, want;
    ask(f, large, id, question, language, &got);
    ask(f, memory, id, question, language, &want);
    assert_true(got.in_store && !want.in_store);
    compare(question, &got, &want);
    return want.count;
}

/* Returns how many questions found something. */
static size_t compare_all(struct fixture *f, const struct place *large, const struct place *memory,
                          uint64_t id)
{
    struct buffer question = {0};
    size_t found = 0;
    for (size_t i = 0; i < QUESTIONS; i++) {
        const struct language *language = any_question(&question);
        found += compare_one(f, large, memory, id, buffer_slice(&question), language) > 0;
    }
    buffer_free(&question);
    return found;
}

static size_t count_hits(struct fixture *f, const struct place *place, uint64_t id,
                         const char *question)
{
    struct asked asked;
    ask(f, place, id, slice_of(question), language_find(SLICE("en")), &asked);
    assert_true(asked.in_store);
    return asked.count;
}

/* Runs SQL behind the store's back; the first value of the first row. */
static uint64_t sql(struct fixture *f, const char *text)
{
    PGconn *db = PQconnectdb(f->url);
    PGresult *result = PQexec(db, text);
    uint64_t value = 0;
    if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", text, PQerrorMessage(db));
    if (PQntuples(result)) value = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    PQfinish(db);
    return value;
}

/* --- tests --- */

struct places {
    struct place memory, large;
    uint64_t id;
};

static struct places open_places(struct fixture *f)
{
    struct places places = {.id = make_bilingual(f)};
    places.memory = open_place(f, 0);
    places.large = open_place(f, LEAST);
    wait_until_in_store(f, &places.large, places.id);
    return places;
}

static void close_places(struct places *places)
{
    close_place(&places->memory);
    close_place(&places->large);
}

static void words_find_in_the_database_what_they_find_in_memory(void **state)
{
    struct fixture *f = *state;
    random_state = 88172645463325252u;
    struct places places = open_places(f);
    assert_true(compare_all(f, &places.large, &places.memory, places.id) > QUESTIONS / 2);
    close_places(&places);
}

/* Every other document has the first word, every third the second, and each one of twelve, of which
 * the first is in long texts only, where it counts little. */
static void put_many(struct fixture *f, uint64_t id)
{
    struct document *documents = xcalloc(MANY, sizeof(*documents));
    for (size_t i = 0; i < MANY; i++) {
        struct buffer text = {0};
        const char *const *words = languages[0].words;
        size_t rare = below(12);
        buffer_printf(&text, "The %s of the %s", words[2 + rare], words[14 + below(26)]);
        for (size_t k = 0; !rare && k < 40; k++) buffer_printf(&text, " %s", words[14 + below(26)]);
        if (below(2)) buffer_printf(&text, " and the %s", words[0]);
        if (!below(3)) buffer_printf(&text, " is in the %s", words[1]);
        for (size_t more = below(6); more; more--) buffer_append_text(&text, " and more");
        documents[i].content = arena_slice(&f->arena, buffer_slice(&text));
        buffer_free(&text);
    }
    for (size_t i = 0; i < MANY; i += 400) put_all(f, id, documents + i, 400);
    free(documents);
}

static struct asked *heard; /* of the question that is looked at */

static void look_at(struct portfolio_wait *wait, err_t error, const struct portfolio_view *view)
{
    struct words_asked asked = {0};
    assert_int_equal(error, OK);
    words_ask(view->terms, &heard->query, &asked);
    heard->count = asked.common.terms.len;
    heard->done = true;
    words_asked_free(&asked);
    (void)wait;
}

/* Whether terms of the question are looked up and not gone through. */
static bool has_common(struct fixture *f, const struct place *place, uint64_t id, const char *text)
{
    static struct asked asked;
    asked =
        (struct asked){.query = {.text = slice_of(text), .language = language_find(SLICE("en"))}};
    asked.wait = (struct portfolio_wait){.portfolio_id = id, .ready = look_at};
    heard = &asked;
    portfolio_cache_want(place->cache, &asked.wait);
    fixture_wait(f, &asked.done);
    return asked.count;
}

static void common_words_weigh_what_they_weigh_in_memory(void **state)
{
    struct fixture *f = *state;
    random_state = 10;
    struct places places = {.id = make_portfolio(f, NULL)};
    put_many(f, places.id);
    places.memory = open_place(f, 0);
    places.large = open_place(f, LEAST);
    wait_until_in_store(f, &places.large, places.id);
    assert_true(has_common(f, &places.large, places.id, "delete the connection"));
    assert_true(has_common(f, &places.large, places.id, "delete the conection"));
    assert_false(has_common(f, &places.large, places.id, "delete"));
    static const char *const questions[] = {"delete the connection", "delete the server"};
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) /* the first is decided by common words */
        compare_one(f, &places.large, &places.memory, places.id, slice_of(questions[i]),
                    language_find(SLICE("en")));
    compare_all(f, &places.large, &places.memory, places.id);
    close_places(&places);
}

static void misspelt_joined_and_other_words_of_the_same_meaning_are_found(void **state)
{
    static const struct {
        const char *code, *question;
        size_t want; /* the first hit's document */
    } cases[] = {
        {"en", "paralelogram", 0},    {"en", "parallelogramquartz", 0},
        {"en", "para llelogram", 0},  {"es", "gatos", 1},
        {"es", "gatto durmiendo", 1}, {"en", "kill the undertaking", 2},
        {"en", "PARALLELOGRAM?", 0},  {"en", "gato", 1}, /* asked in English */
    };
    static const char *const texts[] = {"The quartz has a parallelogram.",
                                        "El gato duerme en la casa.",
                                        "To cancel this, stand up and shout."};
    struct fixture *f = *state;
    struct document made[ARRAY_LEN(texts)];
    struct asked asked;
    random_state = 2;
    struct places places = open_places(f);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(put_document(f, places.id, "", texts[i], &made[i]), OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ask(f, &places.large, places.id, slice_of(cases[i].question),
            language_find(slice_of(cases[i].code)), &asked);
        if (!asked.count || asked.hits[0].document_id != made[cases[i].want].id)
            fail_msg("%s: %zu hits", cases[i].question, asked.count);
    }
    assert_int_equal(count_hits(f, &places.large, places.id, "what is the of"), 0);
    assert_int_equal(count_hits(f, &places.large, places.id, "zzzzqqqqxxxx"), 0);
    close_places(&places);
}

static void words_find_the_same_after_documents_were_changed_and_deleted(void **state)
{
    struct fixture *f = *state;
    random_state = 3;
    struct places places = open_places(f);
    struct documents list;
    compare_all(f, &places.large, &places.memory, places.id);
    for (size_t i = 0; i < DOCUMENTS / 3; i++)
        put_any(f, places.id, 3 * i, 0); /* no Spanish left */
    compare_all(f, &places.large, &places.memory, places.id);
    struct select all = {.portfolio_id = places.id, .limit = DOCUMENTS};
    assert_int_equal(call(f, KIND_DOCUMENT_LIST, &all, &list), OK);
    const struct document *documents = list.data.items;
    for (size_t i = 0; i < list.data.count / 2; i++)
        assert_int_equal(
            call(f, KIND_DOCUMENT_DELETE, &(struct select){.id = documents[i].id}, NULL), OK);
    compare_all(f, &places.large, &places.memory, places.id);
    put_any(f, places.id, 1, 1); /* Spanish again */
    compare_all(f, &places.large, &places.memory, places.id);
    close_places(&places);
}

static void what_another_retriever_followed_is_known_here(void **state)
{
    struct fixture *f = *state;
    struct document made;
    random_state = 4;
    struct places places = open_places(f);
    struct place other = open_place(f, LEAST);
    wait_until_in_store(f, &other, places.id);
    assert_int_equal(count_hits(f, &places.large, places.id, "obsidain"), 0);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < 5; i++) put_any(f, places.id, below(DOCUMENTS), below(2));
        assert_int_equal(put_document(f, places.id, "", "A piece of obsidian.", &made), OK);
        assert_int_equal(count_hits(f, &other, places.id, "obsidain"), round + 1);
        assert_int_equal(count_hits(f, &places.large, places.id, "obsidain"), round + 1);
        compare_all(f, &places.large, &places.memory, places.id);
        compare_all(f, &other, &places.memory, places.id);
    }
    close_place(&other);
    close_places(&places);
}

static void vectors_alone_change_no_term(void **state)
{
    struct fixture *f = *state;
    struct leased leased;
    random_state = 5;
    struct places places = open_places(f);
    char text[128];
    snprintf(text, sizeof(text), "SELECT count(*) FROM rag_term WHERE version > %llu",
             (unsigned long long)portfolio_version(f, places.id));
    uint64_t before = sql(f, "SELECT version FROM rag_searched");
    while ((leased = lease_batch(f, places.id, NULL)).request.chunks.count)
        assert_int_equal(store_batch(f, &leased, "hashing-1", NULL, NULL), OK);
    compare_all(f, &places.large, &places.memory, places.id);
    assert_true(sql(f, "SELECT version FROM rag_searched") > before);
    assert_int_equal(sql(f, text), 0);
    close_places(&places);
}

static void tables_from_before_there_were_terms_are_made_anew(void **state)
{
    struct fixture *f = *state;
    random_state = 6;
    struct places places = open_places(f);
    close_place(&places.large);
    sql(f, "DELETE FROM rag_term");
    sql(f, "DELETE FROM rag_posting WHERE term LIKE ':%'");
    sql(f, "UPDATE rag_searched SET made = 0");
    places.large = open_place(f, LEAST);
    struct asked asked;
    ask(f, &places.large, places.id, SLICE("sesion"), language_find(SLICE("es")), &asked);
    assert_false(asked.in_store); /* meanwhile in memory: the answers are whole */
    assert_true(asked.count > 0);
    wait_until_in_store(f, &places.large, places.id);
    compare_all(f, &places.large, &places.memory, places.id);
    close_places(&places);
}

static void tables_that_the_log_of_changes_no_longer_reaches_are_made_anew(void **state)
{
    struct fixture *f = *state;
    random_state = 8;
    struct places places = open_places(f);
    put_any(f, places.id, 1, 0);
    put_any(f, places.id, 2, 1);
    sql(f, "DELETE FROM changes WHERE seq < (SELECT max(seq) FROM changes)");
    struct asked asked;
    ask(f, &places.large, places.id, SLICE("servr"), language_find(SLICE("en")), &asked);
    assert_false(asked.in_store);
    wait_until_in_store(f, &places.large, places.id);
    compare_all(f, &places.large, &places.memory, places.id);
    close_places(&places);
}

static void terms_of_a_restored_database_are_read_anew(void **state)
{
    struct fixture *f = *state;
    unsigned from, to;
    random_state = 9;
    struct places places = open_places(f);
    sql(f, "UPDATE rag_posting SET term = 'obsidian' WHERE term = 'server'"); /* what was before */
    sql(f, "UPDATE rag_term SET term = 'obsidian' WHERE term = 'server'");
    assert_int_equal(count_hits(f, &places.large, places.id, "obsidain"), 0);
    sql(f, "UPDATE millrace_origin SET place = 'elsewhere'");
    assert_int_equal(store_migrate(f->url, &from, &to), OK);
    assert_true(count_hits(f, &places.large, places.id, "obsidain") > 0);
    close_places(&places);
}

static void terms_count_in_the_caches_bytes(void **state)
{
    struct fixture *f = *state;
    random_state = 7;
    struct places places = open_places(f);
    size_t bytes = portfolio_cache_bytes(places.large.cache);
    assert_true(bytes > WORDS * sizeof(uint64_t));
    struct place narrow = open_place(f, LEAST);
    portfolio_cache_destroy(&narrow.cache);
    narrow.cache = portfolio_cache_new(narrow.store, 1, 100000);
    wait_until_in_store(f, &narrow, places.id);
    uint64_t second = make_portfolio(f, NULL);
    struct asked asked;
    ask(f, &narrow, second, SLICE("server"), language_find(SLICE("en")), &asked);
    assert_int_equal(portfolio_cache_count(narrow.cache), 1);
    assert_true(count_hits(f, &narrow, places.id, "servr") > 0); /* read again */
    close_place(&narrow);
    close_places(&places);
}

#define WORDS_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORDS_TEST(words_find_in_the_database_what_they_find_in_memory),
        WORDS_TEST(common_words_weigh_what_they_weigh_in_memory),
        WORDS_TEST(misspelt_joined_and_other_words_of_the_same_meaning_are_found),
        WORDS_TEST(words_find_the_same_after_documents_were_changed_and_deleted),
        WORDS_TEST(what_another_retriever_followed_is_known_here),
        WORDS_TEST(vectors_alone_change_no_term),
        WORDS_TEST(tables_from_before_there_were_terms_are_made_anew),
        WORDS_TEST(tables_that_the_log_of_changes_no_longer_reaches_are_made_anew),
        WORDS_TEST(terms_of_a_restored_database_are_read_anew),
        WORDS_TEST(terms_count_in_the_caches_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
