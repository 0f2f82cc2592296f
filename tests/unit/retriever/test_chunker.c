#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "workers/retriever/chunker.h"

enum { SEEN_MAX = 400 };

struct seen {
    struct chunk chunks[SEEN_MAX];
    struct buffer headings; /* a line each */
    size_t count;
};

static void see(void *context, const struct chunk *chunk)
{
    struct seen *seen = context;
    assert_true(seen->count < SEEN_MAX);
    buffer_append_slice(&seen->headings, chunk->heading);
    buffer_append_char(&seen->headings, '\n');
    seen->chunks[seen->count++] = *chunk;
}

struct fixture {
    struct parsed_document document;
    struct seen seen;
};

static void cut(struct fixture *fixture, const char *format, struct slice content)
{
    memset(fixture, 0, sizeof *fixture);
    assert_int_equal(document_parse(slice_of(format), content, &fixture->document), OK);
    chunk_document(&fixture->document, see, &fixture->seen);
    buffer_append_char(&fixture->seen.headings, '\0');
}

static void clean(struct fixture *fixture)
{
    document_free(&fixture->document);
    buffer_free(&fixture->seen.headings);
}

static void append_sentences(struct buffer *out, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        buffer_printf(out, "Sentence %zu tells of the %s and of nothing else. ", i, word);
}

static void a_small_document_is_one_chunk_with_its_heading_path(void **state)
{
    struct fixture f;
    (void)state;
    cut(&f, "markdown", SLICE("# Guide\n\n## Install\n\nRun the program.\n"));
    assert_int_equal(f.seen.count, 1);
    assert_string_equal(f.seen.headings.data, "Guide > Install\n");
    assert_int_equal(f.seen.chunks[0].start, 2);
    clean(&f);
}

static void sections_start_chunks_and_small_ones_share_one(void **state)
{
    struct buffer text = {0};
    struct fixture f;
    (void)state;
    buffer_append_text(&text, "# A\n\n");
    append_sentences(&text, 10, "first");
    buffer_append_text(&text, "\n\n## B\n\nShort.\n\n## C\n\nShort too.\n\n# D\n\n");
    append_sentences(&text, 10, "last");
    cut(&f, "markdown", buffer_slice(&text));
    assert_int_equal(f.seen.count, 3);
    assert_string_equal(f.seen.headings.data, "A\nA > B\nD\n");
    clean(&f);
    buffer_free(&text);
}

/* Sizes and overlap of a long text, whatever it is made of. */
static void check_long(const char *format, struct slice content)
{
    struct fixture f;
    cut(&f, format, content);
    assert_true(f.seen.count > 5);
    for (size_t i = 0; i < f.seen.count; i++) {
        const struct chunk *chunk = &f.seen.chunks[i];
        assert_true(chunk->text.len <= CHUNK_CHARACTERS_MAX);
        assert_true(i + 1 == f.seen.count || chunk->text.len >= 400);
        if (!i) continue;
        const struct chunk *before = &f.seen.chunks[i - 1];
        assert_true(chunk->start > before->start && chunk->end > before->end);
        assert_true(chunk->start <= before->end + 2); /* nothing between is lost */
        assert_true(before->end <= chunk->start + 300);
    }
    assert_int_equal(f.seen.chunks[f.seen.count - 1].end, content.len);
    clean(&f);
}

static void long_text_is_cut_at_sentences_with_overlap(void **state)
{
    struct buffer text = {0};
    struct fixture f;
    (void)state;
    append_sentences(&text, 200, "mill");
    text.len--; /* the last space */
    check_long("text", buffer_slice(&text));
    cut(&f, "text", buffer_slice(&text));
    for (size_t i = 0; i < f.seen.count; i++) {
        struct slice chunk = f.seen.chunks[i].text;
        assert_memory_equal(chunk.ptr, "Sentence ", 9);
        assert_true(chunk.ptr[chunk.len - 1] == '.');
        assert_true(i == 0 || f.seen.chunks[i].start < f.seen.chunks[i - 1].end);
    }
    clean(&f);
    buffer_free(&text);
}

static void text_without_any_boundary_is_cut_between_characters(void **state)
{
    struct buffer ascii = {0}, wide = {0};
    struct fixture f;
    (void)state;
    for (size_t i = 0; i < 20000; i++) buffer_append_char(&ascii, 'x');
    check_long("text", buffer_slice(&ascii));
    for (size_t i = 0; i < 5000; i++) buffer_append_text(&wide, "\xE6\xB0\xB4");
    cut(&f, "text", buffer_slice(&wide));
    for (size_t i = 0; i < f.seen.count; i++) assert_int_equal(f.seen.chunks[i].text.len % 3, 0);
    assert_true(f.seen.count >= 4 && f.seen.count <= 7); /* by characters, not by bytes */
    clean(&f);
    buffer_free(&ascii);
    buffer_free(&wide);
}

static void a_term_stays_with_what_it_introduces(void **state)
{
    struct buffer html = {0};
    struct fixture f;
    (void)state;
    buffer_append_text(&html, "<h1>Settings</h1><p>");
    append_sentences(&html, 20, "first");
    buffer_append_text(&html, "<dl><dt>port (integer)<dd>");
    append_sentences(&html, 12, "port");
    buffer_append_text(&html, "</dl>");
    cut(&f, "html", buffer_slice(&html));
    for (size_t i = 0; i < f.seen.count; i++) {
        struct slice text = f.seen.chunks[i].text;
        const char *term = memmem(text.ptr, text.len, "port (integer)", 14);
        if (term)
            assert_non_null(memmem(term, (size_t)(text.ptr + text.len - term), "the port", 8));
    }
    clean(&f);
    buffer_free(&html);
}

static void a_chunk_in_another_language_than_its_document_is_known(void **state)
{
    struct buffer text = {0};
    struct fixture f;
    (void)state;
    buffer_append_text(&text, "# One\n\n");
    append_sentences(&text, 16, "program");
    buffer_append_text(&text, "\n\n# Dos\n\n");
    for (size_t i = 0; i < 12; i++)
        buffer_append_text(&text,
                           "Esta es la parte que se ha escrito para los que no leen inglés. ");
    cut(&f, "markdown", buffer_slice(&text));
    assert_int_equal(f.seen.count, 2);
    assert_string_equal(f.seen.chunks[0].language, "en");
    assert_string_equal(f.seen.chunks[1].language, "es");
    clean(&f);
    buffer_free(&text);
}

static void far_apart_blocks_do_not_share_a_chunk(void **state)
{
    struct buffer text = {0};
    struct fixture f;
    (void)state;
    buffer_append_text(&text, "First paragraph.");
    for (size_t i = 0; i < 50000; i++) buffer_append_char(&text, '\n');
    buffer_append_text(&text, "Second paragraph.");
    cut(&f, "text", buffer_slice(&text));
    assert_int_equal(f.seen.count, 2);
    clean(&f);
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_document_is_one_chunk_with_its_heading_path),
        cmocka_unit_test(sections_start_chunks_and_small_ones_share_one),
        cmocka_unit_test(long_text_is_cut_at_sentences_with_overlap),
        cmocka_unit_test(text_without_any_boundary_is_cut_between_characters),
        cmocka_unit_test(a_term_stays_with_what_it_introduces),
        cmocka_unit_test(a_chunk_in_another_language_than_its_document_is_known),
        cmocka_unit_test(far_apart_blocks_do_not_share_a_chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
