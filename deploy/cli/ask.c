/* millrace ask: one question, its answer as it comes, then the sources that it cites. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "deploy/cli/cli.h"
#include "deploy/cli/client.h"
#include "deploy/cli/sse.h"

struct question {
    const char *url;
    const char *text;
    uint64_t agent, portfolio, conversation; /* 0: not given */
    const char *language;
};

struct answer {
    struct buffer refusal; /* of a reply that is no stream */
    struct sse_reader events;
    CURL *easy;
    json_t *done;
    bool failed; /* an error event came */
};

static const char usage[] =
    "usage: millrace ask [--agent N] [--portfolio N] [--conversation N] [--language CODE]\n"
    "                    [--url URL] \"QUESTION\"\n"
    "\nPrints the answer as it is made, then its sources. --agent is 1 where it is not given.\n";

static const struct option flags[] = {
    {"agent", required_argument, NULL, 'a'},
    {"portfolio", required_argument, NULL, 'p'},
    {"conversation", required_argument, NULL, 'c'},
    {"language", required_argument, NULL, 'l'},
    {"url", required_argument, NULL, 'u'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static bool read_options(int argc, char **argv, struct question *q)
{
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        bool good = true;
        switch (flag) {
        case 'a': good = parse_whole("--agent", optarg, 1, INT64_MAX, &q->agent); break;
        case 'p': good = parse_whole("--portfolio", optarg, 1, INT64_MAX, &q->portfolio); break;
        case 'c':
            good = parse_whole("--conversation", optarg, 1, INT64_MAX, &q->conversation);
            break;
        case 'l': q->language = optarg; break;
        case 'u': q->url = optarg; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: good = false;
        }
        if (!good) return false;
    }
    if (optind + 1 != argc) {
        complain("give one question, in quotes (--help tells more)");
        return false;
    }
    q->text = argv[optind];
    return true;
}

/* Text of documents goes to the terminal: control characters could drive it, so they don't go. */
static void print_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c >= ' ' && c != 0x7f) || c == '\n' || c == '\t') putchar(c);
    }
    fflush(stdout);
}

static void print_error(const json_t *event)
{
    const char *message = json_string_value(json_object_get(event, "message"));
    const char *code = json_string_value(json_object_get(event, "code"));
    printf("\n");
    complain("the answer broke off: %s (%s)%s", message ? message : "", code ? code : "",
             json_is_true(json_object_get(event, "retryable")) ? "; asking again may help" : "");
}

static void on_event(void *context, struct slice data)
{
    struct answer *answer = context;
    json_t *event = json_loadb(data.ptr, data.len, 0, NULL);
    const char *type = json_string_value(json_object_get(event, "type"));
    const json_t *content = json_object_get(event, "content");
    if (type && !strcmp(type, "token") && content)
        print_text(json_string_value(content), json_string_length(content));
    if (type && !strcmp(type, "done") && !answer->done) answer->done = json_incref(event);
    if (type && !strcmp(type, "error")) {
        answer->failed = true;
        print_error(event);
    }
    json_decref(event);
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *context)
{
    struct answer *answer = context;
    long status = 0;
    curl_easy_getinfo(answer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) return client_collect(bytes, size, count, &answer->refusal);
    sse_feed(&answer->events, (struct slice){bytes, size * count});
    return size * count;
}

static struct slice field_of(const json_t *citation, const char *field)
{
    const json_t *value = json_object_get(citation, field);
    return (struct slice){json_string_value(value), json_string_length(value)};
}

static void print_field(const char *before, struct slice text)
{
    if (!text.len) return;
    fputs(before, stdout);
    print_text(text.ptr, text.len);
}

/* "[1] Title > Heading · source"; a path of headings mostly starts with the title. */
static void print_source(const json_t *citation)
{
    struct slice title = field_of(citation, "title"), heading = field_of(citation, "heading");
    bool has_title =
        title.len && heading.len >= title.len && !memcmp(heading.ptr, title.ptr, title.len);
    printf("  [%" JSON_INTEGER_FORMAT "]", json_integer_value(json_object_get(citation, "n")));
    if (!has_title) print_field(" ", title);
    print_field(has_title ? " " : " > ", heading);
    print_field(" · ", field_of(citation, "source"));
    printf("\n");
}

static void print_sources(const json_t *done)
{
    const json_t *citations = json_object_get(done, "citations");
    size_t index;
    const json_t *citation;
    if (json_array_size(citations)) printf("\nSources:\n");
    json_array_foreach(citations, index, citation)
    {
        print_source(citation);
    }
    const json_t *conversation = json_object_get(done, "conversation_id");
    if (json_is_integer(conversation))
        printf("\n(--conversation %" JSON_INTEGER_FORMAT " asks on)\n",
               json_integer_value(conversation));
}

static char *question_body(const struct question *q)
{
    json_t *body = json_pack("{s:s}", "message", q->text);
    if (!body) return NULL; /* not UTF-8 */
    if (q->portfolio)
        json_object_set_new(body, "portfolio_id", json_integer((json_int_t)q->portfolio));
    if (q->conversation)
        json_object_set_new(body, "conversation_id", json_integer((json_int_t)q->conversation));
    if (q->language) json_object_set_new(body, "language", json_string(q->language));
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

/* True when the answer came whole. */
static bool run(struct client *client, const struct question *q, const char *body,
                struct answer *answer)
{
    char path[64];
    struct reply reply;
    snprintf(path, sizeof(path), "/api/agents/%" PRIu64 "/chat/stream", q->agent);
    answer->easy = client_post(client, path, slice_of(body));
    curl_easy_setopt(answer->easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(answer->easy, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(answer->easy, CURLOPT_TIMEOUT, 0L); /* the server has a deadline */
    CURLcode outcome = curl_easy_perform(answer->easy);
    bool good = client_reply(client, answer->easy, outcome, buffer_slice(&answer->refusal), &reply);
    if (!good)
        complain("%s", reply.error);
    else if (!answer->done && !answer->failed)
        complain("the connection ended before the answer was complete");
    reply_free(&reply);
    curl_easy_cleanup(answer->easy);
    return good && answer->done && !answer->failed;
}

int ask_main(int argc, char **argv)
{
    struct question question = {.agent = 1};
    struct answer answer = {.events.on_data = on_event, .events.context = &answer};
    if (!read_options(argc, argv, &question)) return EXIT_USAGE;
    char *body = question_body(&question);
    if (!body) {
        complain("the question is not valid UTF-8");
        return EXIT_USAGE;
    }
    struct client *client = client_new(question.url);
    bool whole = run(client, &question, body, &answer);
    if (whole) {
        printf("\n");
        print_sources(answer.done);
    }
    json_decref(answer.done);
    buffer_free(&answer.refusal);
    sse_free(&answer.events);
    client_destroy(&client);
    free(body);
    return whole ? 0 : 1;
}
