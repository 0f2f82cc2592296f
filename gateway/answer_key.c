#include "gateway/answer_key.h"

#include "common/text.h"

/* --- the question --- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* A capital that begins a word of small letters, or is one of its own. */
static bool is_sentence_case(struct slice text)
{
    if (!text.len || !is_capital(text.ptr[0])) return false;
    return text.len == 1 || is_space(text.ptr[1]) || (text.ptr[1] >= 'a' && text.ptr[1] <= 'z');
}

static void append_spaced(struct slice text, struct buffer *out)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_space(text.ptr[i]))
            buffer_append_char(out, text.ptr[i]);
        else if (i && !is_space(text.ptr[i - 1]))
            buffer_append_char(out, ' ');
}

void answer_query(struct slice message, struct buffer *out)
{
    struct slice text = text_trim(message);
    if (is_sentence_case(text)) {
        buffer_append_char(out, (char)(*text.ptr + ('a' - 'A')));
        text = (struct slice){text.ptr + 1, text.len - 1};
        if (text.len && is_space(*text.ptr)) buffer_append_char(out, ' ');
        while (text.len && is_space(*text.ptr)) text = (struct slice){text.ptr + 1, text.len - 1};
    }
    append_spaced(text, out);
}

/* --- digests --- */

static void add_number(struct sha256 *sha, uint64_t number)
{
    sha256_add_field(sha, (struct slice){(const char *)&number, sizeof(number)});
}

static void add_query(struct sha256 *sha, struct slice message)
{
    struct buffer query = {0};
    answer_query(message, &query);
    sha256_add_field(sha, buffer_slice(&query));
    buffer_free(&query);
}

static struct digest digest_end(struct sha256 *sha)
{
    struct digest digest;
    sha256_end(sha, digest.bytes);
    return digest;
}

/* What both depend on; `what` keeps one's digest from being the other's. */
static void add_retrieval(struct sha256 *sha, struct slice what,
                          const struct answer_question *question)
{
    sha256_init(sha);
    sha256_add_field(sha, what);
    sha256_add_field(sha, question->tenant);
    add_query(sha, question->message);
    sha256_add_field(sha, question->language);
    sha256_add_field(sha, question->history);
    add_number(sha, question->portfolio_id);
    sha256_add_field(sha, question->embedder);
    add_number(sha, question->top_k);
    add_number(sha, question->max_tokens);
}

struct digest answer_base(const struct answer_question *question)
{
    struct sha256 sha;
    add_retrieval(&sha, SLICE("answer"), question);
    add_number(&sha, question->agent_id);
    add_number(&sha, question->agent_version);
    sha256_add_field(&sha, question->served);
    sha256_add_field(&sha, question->answer_in);
    return digest_end(&sha);
}

struct digest chunks_base(const struct answer_question *question)
{
    struct sha256 sha;
    add_retrieval(&sha, SLICE("chunks"), question);
    return digest_end(&sha);
}

struct digest digest_at_version(const struct digest *base, uint64_t version)
{
    struct sha256 sha;
    sha256_init(&sha);
    sha256_add_field(&sha, (struct slice){(const char *)base->bytes, sizeof(base->bytes)});
    add_number(&sha, version);
    return digest_end(&sha);
}

struct digest embedding_digest(struct slice embedder, struct slice text)
{
    struct sha256 sha;
    sha256_init(&sha);
    sha256_add_field(&sha, embedder);
    sha256_add_field(&sha, text);
    return digest_end(&sha);
}
