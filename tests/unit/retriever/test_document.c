#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/text.h"
#include "workers/retriever/document.h"

/* The blocks of a document as text: "h2:Heading|code:x|lead:such as:|plain". */
static void describe(const struct parsed_document *document, struct buffer *out)
{
    for (size_t i = 0; i < document->count; i++) {
        const struct block *block = &document->blocks[i];
        if (i) buffer_append_char(out, '|');
        if (block->level) buffer_printf(out, "h%u:", block->level);
        if (block->code) buffer_append_text(out, "code:");
        if (block->lead) buffer_append_text(out, "lead:");
        buffer_append(out, document->text.data + block->start, block->end - block->start);
    }
}

struct parse_case {
    const char *format, *content, *want, *title;
};

static void check(const struct parse_case *c)
{
    struct parsed_document document;
    struct buffer got = {0};
    assert_int_equal(document_parse(slice_of(c->format), slice_of(c->content), &document), OK);
    describe(&document, &got);
    buffer_append_char(&got, '\0');
    buffer_append_char(&document.title, '\0');
    assert_string_equal(got.data, c->want);
    assert_string_equal(document.title.data, c->title);
    buffer_free(&got);
    document_free(&document);
}

static void text_is_paragraphs_and_headings_by_their_place(void **state)
{
    static const struct parse_case cases[] = {
        {"text", "one\ntwo\n\n\nthree\n", "one\ntwo|three", ""},
        {"text", "one\r\n\r\ntwo", "one|two", "one"},
        {"text", "\xEF\xBB\xBFonly this", "only this", "only this"},
        {"text", "Guide\n=====\n\nFirst.\n\nPart\n----\n\nMore.", "h1:Guide|First.|h2:Part|More.",
         "Guide"},
        {"text", "LS(1)     Commands     LS(1)\n\nNAME\n       ls - list\n\n   Options\n       -a",
         "LS(1)     Commands     LS(1)|h1:NAME|ls - list|h2:Options|-a", "LS(1) Commands LS(1)"},
        {"text", "Use one of:\n\nthis", "lead:Use one of:|this", "Use one of:"},
        {"text", "intro\nmore\n\nNOTES\n\nlast", "intro\nmore|h1:NOTES|last", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) check(&cases[i]);
}

static void markdown_is_read_by_its_blocks(void **state)
{
    static const struct parse_case cases[] = {
        {"markdown", "# Title #\ntext\nmore\n\n### Deep\nend", "h1:Title|text\nmore|h3:Deep|end",
         "Title"},
        {"markdown", "Title\n=====\nPart\n---\ntext", "h1:Title|h2:Part|text", "Title"},
        {"markdown", "a\n\n```c\n# no heading\n\nint x;\n```\nb", "a|code:# no heading\n\nint x;|b",
         ""},
        {"markdown", "~~~\nopen to the end", "code:open to the end", ""},
        {"markdown", "- one\n  more\n- two\n1. three", "- one\n  more|- two|1. three", ""},
        {"markdown", "| a | b |\n|---|---|\n| 1 | 2 |", "| a | b |||---|---||| 1 | 2 |", ""},
        {"markdown", "text\n\n    code\n    more\n\ntext", "text|code:code\n    more|text", ""},
        {"markdown", "---\ntitle: \"From the front\"\nx: y\n---\nbody", "body", "From the front"},
        {"markdown", "---\ntitle: \"\xC3\xA9\n---\nbody", "body", "\"é"},
        {"markdown", "---\nno end", "no end", ""},
        {"markdown", "#hashtag\n\n####### seven", "#hashtag|####### seven", ""},
        {"markdown", "above\n\n---\n\nbelow", "above|below", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) check(&cases[i]);
}

static void html_becomes_plain_text_without_what_is_not_content(void **state)
{
    static const struct parse_case cases[] = {
        {"html", "<title> A\n  b </title><h2>H <b>x</b></h2><p>one  <i>two</i>\nthree",
         "h2:H x|one two three", "A b"},
        {"html", "<p>a &eacute;&#241;&amp;&lt; b<br>c", "a éñ&< b\nc", ""},
        {"html", "<ul><li>one<li><p>two</p><ul><li>three</ul></ul>", "- one|- two|- three", ""},
        {"html", "<pre>a\n  b &lt;\n</pre><p>c", "code:a\n  b <|c", ""},
        {"html", "<table><tr><th>A<th>B<tr><td><p>1</p><td>2 <b>x</b></table>", "A | B|1 | 2 x",
         ""},
        {"html", "<dl><dt>port<dd>The port.</dl>", "lead:port|The port.", ""},
        {"html", "a<script>if (a<b) x('</p>')</script><style>p{}</style><!-- no --><p>b", "a|b",
         ""},
        {"html", "<nav>menu</nav><div class='x toc'>contents</div><p>text<a class=headerlink>#</a>",
         "text", ""},
        {"html", "<nav>only a menu</nav>", "only a menu", ""},
        {"html", "<h2>Part</h2><div class=note><h3>Note</h3>Mind.</div>", "h2:Part|lead:Note|Mind.",
         ""},
        {"html", "<meta charset=iso-8859-1><p>m\xC3\xA1s", "más", ""},
        {"html", "<title>&nbsp;\xC3\xA9t\xC3\xA9 </title>x", "x", "été"},
        {"html", "1 < 2 <3 <p", "1 < 2 <3 <p", ""},
        {"html", "</div></p>x</b> <b>y", "x y", ""},
        {"html", "<html><body>a</body></html><p>b", "a|b", ""},
        {"html", "<p>a<!-- never closed <p>b", "a<!-- never closed|b", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) check(&cases[i]);
}

static void what_is_no_document_is_refused(void **state)
{
    static const struct {
        const char *format, *content;
        size_t len;
        err_t want;
    } cases[] = {
        {"text", "", 0, ERR_DOCUMENT_EMPTY},
        {"text", " \n\t\xC2\xA0\n", 6, ERR_DOCUMENT_EMPTY},
        {"html", "<p> </p><script>x</script>", 26, ERR_DOCUMENT_EMPTY},
        {"markdown", "```\n```\n", 8, ERR_DOCUMENT_EMPTY},
        {"text", "a\0b", 3, ERR_DOCUMENT_BINARY},
        {"html", "\xFF\xD8\xFF\xE0 JFIF", 9, ERR_DOCUMENT_BINARY},
        {"text", "cut \xC3", 5, ERR_DOCUMENT_BINARY},
        {"text", "\xED\xA0\x80", 3, ERR_DOCUMENT_BINARY},
        {"pdf", "text", 4, ERR_INVALID_FIELD},
        {"", "text", 4, ERR_INVALID_FIELD},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct parsed_document document = {.count = 7};
        struct slice content = {cases[i].content, cases[i].len};
        assert_int_equal(document_parse(slice_of(cases[i].format), content, &document),
                         cases[i].want);
        assert_int_equal(document.count, 7);
    }
}

/* What has made parsers crash or crawl: each is repeated, and must neither lose the text that
 * follows nor take longer than text of that length may. */
static void text_behind_deep_nesting_is_kept(void **state)
{
    struct buffer html = {0};
    struct parsed_document document;
    (void)state;
    for (size_t n = 0; n < 100000; n++) buffer_append_text(&html, "<div>");
    buffer_append_text(&html, "deep");
    for (size_t n = 0; n < 100000; n++) buffer_append_text(&html, "</div>");
    buffer_append_text(&html, "<h2>After</h2><p>end");
    assert_int_equal(document_parse(SLICE("html"), buffer_slice(&html), &document), OK);
    assert_int_equal(document.count, 3);
    assert_int_equal(document.blocks[1].level, 2);
    document_free(&document);
    buffer_free(&html);
}

static void html_without_bound_is_read_in_time(void **state)
{
    static const struct {
        const char *before;
        const char *repeated;
        size_t times;
        const char *after;
        const char *want; /* the last block */
    } cases[] = {
        {"", "<div>", 100000, "deep", "deep"},
        {"", "<b>", 100000, "</i><p>end", "end"},
        {"<p>x", "</div>", 100000, "<p>end", "end"},
        {"", "<table><tr><td>", 100000, "cell", "cell"},
        {"<i><i><i>", "</u>", 300000, "<p>end", "end"},
        {"<p ", "a1=1 ", 300000, ">text", "text"},
        {"<p>x<p>", "<!-- ", 300000, "<p>end", "end"},
        {"<p>x<p>", "< ", 300000, "<p>end", "end"},
        {"<p>x<p>", "<?", 300000, "<p>end", "end"},
        {"<p>x<p>", "&", 300000, "<p>end", "end"},
        {"<p>x<p>", "<b ", 300000, "", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buffer html = {0};
        struct parsed_document document;
        buffer_append_text(&html, cases[i].before);
        for (size_t n = 0; n < cases[i].times; n++) buffer_append_text(&html, cases[i].repeated);
        buffer_append_text(&html, cases[i].after);
        uint64_t start_ms = clock_ms();
        assert_int_equal(document_parse(SLICE("html"), buffer_slice(&html), &document), OK);
        assert_true(clock_ms() - start_ms < 20000);
        const struct block *last = &document.blocks[document.count - 1];
        struct slice text = {document.text.data + last->start, last->end - last->start};
        if (cases[i].want) assert_true(slice_equal(text, slice_of(cases[i].want)));
        document_free(&document);
        buffer_free(&html);
    }
}

/* Pieces that mean something in one of the formats, in any order. */
static void append_pieces(struct buffer *out, uint32_t *random)
{
    static const char *const pieces[] = {"<",
                                         "</",
                                         ">",
                                         "<p>",
                                         "<div class='toc'>",
                                         "<pre>",
                                         "</pre>",
                                         "<table><tr><td>",
                                         "</td>",
                                         "<li>",
                                         "<h1>",
                                         "</h1>",
                                         "<script>",
                                         "</script>",
                                         "<!--",
                                         "-->",
                                         "&amp;",
                                         "&#xD800;",
                                         "&#0;",
                                         "&#99999999;",
                                         "&bogus;",
                                         "\n",
                                         "\n\n",
                                         "# ",
                                         "```",
                                         "~~~",
                                         "---",
                                         "===",
                                         "| a |",
                                         "- ",
                                         "1. ",
                                         "    ",
                                         "\t",
                                         "word ",
                                         "A sentence. ",
                                         "max_connections ",
                                         "--option ",
                                         "é",
                                         "水",
                                         "<title>",
                                         "</title>",
                                         "<br>",
                                         "<dt>",
                                         "<dd>",
                                         "</body>",
                                         "<html>",
                                         "<a href='x",
                                         "\"",
                                         "<?x",
                                         "<![CDATA[",
                                         "]]>",
                                         "<svg>",
                                         "<nav>",
                                         "</nav>",
                                         "\xC2\xA0"};
    for (size_t i = 0; i < 200; i++) {
        *random = *random * 1664525 + 1013904223;
        buffer_append_text(out, pieces[(*random >> 8) % ARRAY_LEN(pieces)]);
    }
}

static void any_mixture_gives_valid_text_and_ordered_blocks(void **state)
{
    static const char *const formats[] = {"text", "markdown", "html"};
    uint32_t random = 1;
    (void)state;
    for (size_t n = 0; n < 300; n++) {
        struct buffer content = {0};
        struct parsed_document document;
        append_pieces(&content, &random);
        err_t error = document_parse(slice_of(formats[n % 3]), buffer_slice(&content), &document);
        size_t end = 0;
        for (size_t i = 0; !error && i < document.count; i++) {
            assert_true(document.blocks[i].start >= end);
            assert_true(document.blocks[i].end > document.blocks[i].start);
            end = document.blocks[i].end;
        }
        assert_true(error == OK || error == ERR_DOCUMENT_EMPTY);
        if (!error) {
            assert_true(end <= document.text.len && text_valid(buffer_slice(&document.text)));
            assert_true(text_valid(buffer_slice(&document.title)));
            document_free(&document);
        }
        buffer_free(&content);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_paragraphs_and_headings_by_their_place),
        cmocka_unit_test(markdown_is_read_by_its_blocks),
        cmocka_unit_test(html_becomes_plain_text_without_what_is_not_content),
        cmocka_unit_test(what_is_no_document_is_refused),
        cmocka_unit_test(text_behind_deep_nesting_is_kept),
        cmocka_unit_test(any_mixture_gives_valid_text_and_ordered_blocks),
        cmocka_unit_test(html_without_bound_is_read_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
