/* HTML by libxml2's recovering parser, as a stream of events: no tree is built, so nothing recurses
 * and a document costs its text. What an element does to the text stands in one table.
 *
 *     events -> open and close blocks -> characters, white space folded -> text and blocks
 *
 * The parser keeps the open elements on a stack that it searches at every end tag, so depth costs
 * time. Past DEPTH_MAX a new parser carries on where the old one was: what is nested that deep
 * keeps its text and loses its place. */
#include <libxml/HTMLparser.h>
#include <libxml/parserInternals.h>
#include <stdlib.h>
#include <strings.h>

#include "common/text.h"
#include "workers/retriever/document_format.h"
#include "workers/retriever/html_clean.h"

enum { DEPTH_MAX = 256, PIECE_BYTES = 1024, NAME_MAX_LEN = 16 };

enum effect {
    NOTHING,
    BLOCK, /* starts and ends a block */
    HEADING,
    CODE, /* a block whose white space counts */
    ITEM, /* a block that starts with a dash */
    TERM, /* a block that introduces the next */
    CELL, /* parted from the cell before by a bar */
    BREAK,
    TITLE,
    SKIP,       /* with all that is inside */
    NAVIGATION, /* skipped, unless there is nothing else */
};

static const struct element {
    char name[NAME_MAX_LEN];
    enum effect effect;
    unsigned level;
} elements[] = {
    /* sorted by name */
    {"address", BLOCK}, {"article", BLOCK},  {"aside", BLOCK},      {"blockquote", BLOCK},
    {"body", BLOCK},    {"br", BREAK},       {"caption", BLOCK},    {"center", BLOCK},
    {"dd", BLOCK},      {"details", BLOCK},  {"div", BLOCK},        {"dl", BLOCK},
    {"dt", TERM},       {"fieldset", BLOCK}, {"figcaption", BLOCK}, {"figure", BLOCK},
    {"footer", BLOCK},  {"form", BLOCK},     {"h1", HEADING, 1},    {"h2", HEADING, 2},
    {"h3", HEADING, 3}, {"h4", HEADING, 4},  {"h5", HEADING, 5},    {"h6", HEADING, 6},
    {"header", BLOCK},  {"hr", BLOCK},       {"iframe", SKIP},      {"li", ITEM},
    {"main", BLOCK},    {"math", SKIP},      {"nav", NAVIGATION},   {"noscript", SKIP},
    {"object", SKIP},   {"ol", BLOCK},       {"option", BLOCK},     {"p", BLOCK},
    {"pre", CODE},      {"section", BLOCK},  {"summary", BLOCK},    {"svg", SKIP},
    {"table", BLOCK},   {"tbody", BLOCK},    {"td", CELL},          {"template", SKIP},
    {"textarea", SKIP}, {"tfoot", BLOCK},    {"th", CELL},          {"thead", BLOCK},
    {"title", TITLE},   {"tr", BLOCK},       {"ul", BLOCK},
};

/* Navigation that says so in its class or role. A table of contents repeats the headings and
 * answers nothing. */
static const char *const navigation[] = {"nav",        "navbar", "navheader",  "navfooter",
                                         "navigation", "toc",    "breadcrumb", "breadcrumbs",
                                         "headerlink", NULL};

/* Boxes beside the text: their headings ("Note") open no section. */
static const char *const boxes[] = {"note",   "tip",  "warning",    "caution", "important",
                                    "danger", "hint", "admonition", "sidebar", NULL};

struct reader {
    struct parsed_document *document;
    bool keep_navigation;
    unsigned skip, code, title, box; /* how deep inside such elements */
    unsigned level;                  /* of the heading that is open */
    bool item, term;                 /* the next block is one */
    bool space;                      /* white space is due before the next character */
    bool row;                        /* the open block is a table's row with a cell in it */
    size_t start;                    /* of the open block */
};

static int compare_names(const void *key, const void *element)
{
    return strcasecmp(key, ((const struct element *)element)->name);
}

static const struct element *element_of(const xmlChar *name)
{
    static const struct element other = {"", NOTHING, 0};
    const struct element *found =
        bsearch(name, elements, ARRAY_LEN(elements), sizeof *elements, compare_names);
    return found ? found : &other;
}

static bool names_one_of(const char *classes, const char *const *names)
{
    while (*classes) {
        size_t len = strcspn(classes, " \t\r\n");
        for (const char *const *name = names; *name; name++)
            if (strlen(*name) == len && !strncasecmp(*name, classes, len)) return true;
        classes += len + strspn(classes + len, " \t\r\n");
    }
    return false;
}

/* Whether a class or role is among the names. */
static bool is_one_of(const xmlChar **attributes, const char *const *names)
{
    for (; attributes && attributes[0]; attributes += 2) {
        const char *name = (const char *)attributes[0], *value = (const char *)attributes[1];
        bool tells = !strcasecmp(name, "class") || !strcasecmp(name, "role");
        if (tells && value && names_one_of(value, names)) return true;
    }
    return false;
}

/* --- blocks --- */

static void close_block(struct reader *reader)
{
    struct parsed_document *document = reader->document;
    struct block *block = document_add(document, reader->start, document->text.len, reader->level);
    if (block) {
        block->code = reader->code > 0;
        block->lead |= reader->term;
        document->text.len = block->end;
        buffer_append_text(&document->text, reader->row ? "\n" : "\n\n");
    } else {
        document->text.len = reader->start;
    }
    reader->start = document->text.len;
    reader->space = reader->row = false;
    if (block) reader->item = reader->term = false;
}

/* Spaces and a bar between a row's cells, nothing before the first. */
static void open_cell(struct reader *reader)
{
    if (reader->document->text.len > reader->start)
        buffer_append_text(&reader->document->text, " | ");
    reader->space = false;
    reader->row = true;
}

static void open_heading(struct reader *reader, unsigned level)
{
    reader->level = reader->box ? 0 : level;
    reader->term = reader->box > 0;
}

static void open_element(struct reader *reader, const struct element *element)
{
    bool cell = reader->row && element->effect == BLOCK && element->name[0] != 't';
    if (cell) reader->space = true; /* paragraphs inside a cell stay in the row */
    if (element->effect >= BLOCK && element->effect <= TERM && !cell) close_block(reader);
    switch (element->effect) {
    case HEADING: open_heading(reader, element->level); break;
    case CODE: reader->code++; break;
    case ITEM: reader->item = true; break;
    case TERM: reader->term = true; break;
    case CELL: open_cell(reader); break;
    case BREAK: buffer_append_char(&reader->document->text, '\n'); break;
    case TITLE: reader->title++; break;
    case SKIP: reader->skip++; break;
    default: break;
    }
}

static void close_element(struct reader *reader, const struct element *element)
{
    bool cell = reader->row && element->effect == BLOCK && element->name[0] != 't';
    if (cell) reader->space = true;
    if (element->effect >= BLOCK && element->effect <= TERM && !cell) close_block(reader);
    switch (element->effect) {
    case HEADING: reader->level = 0; break;
    case CODE: reader->code -= reader->code > 0; break;
    case ITEM: reader->item = false; break;
    case TITLE: reader->title -= reader->title > 0; break;
    default: break;
    }
}

/* --- characters --- */

static bool is_white(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Appends text with each run of white space as one space, none at a block's start. */
static void append_folded(struct buffer *out, size_t start, bool *space, struct slice text)
{
    char *to = buffer_reserve(out, 2 * text.len);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (is_white(text.ptr[i])) {
            *space = true;
            continue;
        }
        bool at_start = out->len + n == start || (out->len + n && to[(ptrdiff_t)n - 1] == '\n');
        if (*space && !at_start) to[n++] = ' ';
        *space = false;
        to[n++] = text.ptr[i];
    }
    out->len += n;
}

static void append_title(struct reader *reader, struct slice text)
{
    struct buffer *title = &reader->document->title;
    append_folded(title, 0, &reader->space, text);
}

static void on_characters(void *context, const xmlChar *bytes, int len)
{
    struct reader *reader = context;
    struct buffer *out = &reader->document->text;
    struct slice text = {(const char *)bytes, (size_t)len};
    if (reader->skip) return;
    if (reader->title) return append_title(reader, text);
    if (reader->code && !reader->row) return buffer_append_slice(out, text);
    size_t start = reader->start;
    bool fresh = out->len == start;
    if (fresh && reader->item && text_trim(text).len) {
        buffer_append_text(out, "- ");
        reader->space = false;
        start = out->len;
    }
    append_folded(out, start, &reader->space, text);
}

/* --- the parser --- */

static void on_start(void *context, const xmlChar *name, const xmlChar **attributes)
{
    struct reader *reader = context;
    const struct element *element = element_of(name);
    bool navigates = element->effect == NAVIGATION || is_one_of(attributes, navigation);
    if (reader->box || is_one_of(attributes, boxes)) reader->box++;
    if (reader->skip || (navigates && !reader->keep_navigation))
        reader->skip++;
    else
        open_element(reader, element);
}

static void on_end(void *context, const xmlChar *name)
{
    struct reader *reader = context;
    reader->box -= reader->box > 0;
    if (reader->skip)
        reader->skip--;
    else
        close_element(reader, element_of(name));
}

static htmlParserCtxtPtr parser_new(struct reader *reader)
{
    xmlSAXHandler handler = {.startElement = on_start,
                             .endElement = on_end,
                             .characters = on_characters,
                             .ignorableWhitespace = on_characters,
                             .cdataBlock = on_characters};
    htmlParserCtxtPtr parser =
        htmlCreatePushParserCtxt(&handler, reader, NULL, 0, NULL, XML_CHAR_ENCODING_UTF8);
    if (!parser) abort(); /* out of memory, as in xmalloc */
    /* The bytes are UTF-8, whatever the page says of itself. */
    htmlCtxtUseOptions(parser, HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                                   HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC);
    xmlSwitchEncoding(parser, XML_CHAR_ENCODING_UTF8);
    /* With nothing open, an end tag too many would end the document. */
    htmlParseChunk(parser, "<html>", 6, 0);
    return parser;
}

static void parser_end(struct reader *reader, htmlParserCtxtPtr parser)
{
    htmlParseChunk(parser, "", 0, 1);
    xmlFreeDoc(parser->myDoc);
    htmlFreeParserCtxt(parser);
    reader->skip = reader->code = reader->title = reader->box = 0;
}

/* A length of about PIECE_BYTES that ends before a tag, so that a new parser may start there. */
static size_t piece_len(struct slice content)
{
    if (content.len <= PIECE_BYTES) return content.len;
    const char *tag = memchr(content.ptr + PIECE_BYTES, '<', content.len - PIECE_BYTES);
    return tag ? (size_t)(tag - content.ptr) : content.len;
}

static void read_pieces(struct reader *reader, struct slice content)
{
    htmlParserCtxtPtr parser = parser_new(reader);
    while (content.len) {
        size_t len = piece_len(content);
        htmlParseChunk(parser, content.ptr, (int)len, 0);
        content = (struct slice){content.ptr + len, content.len - len};
        if (parser->nameNr <= DEPTH_MAX) continue;
        parser_end(reader, parser);
        parser = parser_new(reader);
    }
    parser_end(reader, parser);
    close_block(reader);
}

void document_read_html(struct slice content, struct parsed_document *document)
{
    struct buffer clean = {0};
    html_clean(content, &clean);
    struct reader reader = {.document = document};
    read_pieces(&reader, buffer_slice(&clean));
    if (!document->count) { /* a page of nothing but navigation is what its author wanted found */
        document_free(document);
        reader = (struct reader){.document = document, .keep_navigation = true};
        read_pieces(&reader, buffer_slice(&clean));
    }
    buffer_free(&clean);
}
