#include "deploy/cli/classify.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/complexity.h"

static const char usage[] =
    "usage: millrace classify < LINES\n"
    "\nReads lines of {\"id\": ..., \"text\": \"...\"} and writes lines of\n"
    "{\"id\", \"lang\", \"level\", \"top_k\", \"max_tokens\"}.\n";

/* The answer to one line; NULL and *problem when the line is malformed. Caller owns it. */
static json_t *classify_line(struct slice line, const char **problem)
{
    json_t *answer = NULL, *message = json_loadb(line.ptr, line.len, JSON_ALLOW_NUL, NULL);
    json_t *id = json_object_get(message, "id"), *text = json_object_get(message, "text");
    if (!json_is_object(message))
        *problem = "not a JSON object";
    else if (!json_is_string(text))
        *problem = "\"text\" is missing or no string";
    else {
        struct slice said = {json_string_value(text), json_string_length(text)};
        const struct language *language = language_detect(said, NULL);
        const struct complexity_profile *profile =
            complexity_profile(complexity_classify(language, said));
        answer = json_pack("{sO ss ss si si}", "id", id ? id : json_null(), "lang",
                           language_code(language), "level", profile->name, "top_k",
                           (int)profile->top_k, "max_tokens", (int)profile->max_tokens);
    }
    json_decref(message);
    return answer;
}

static bool is_blank(struct slice line)
{
    return line.len == 0 || strspn(line.ptr, " \t\r\n") >= line.len;
}

/* Returns whether the line was sound. */
static bool answer_line(struct slice line, size_t number)
{
    const char *problem = NULL;
    if (is_blank(line)) return true;
    json_t *answer = classify_line(line, &problem);
    if (!answer) return fprintf(stderr, "line %zu: %s\n", number, problem), false;
    json_dumpf(answer, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
    putchar('\n');
    fflush(stdout);
    json_decref(answer);
    return true;
}

int classify_main(int argc, char **argv)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t len;
    bool sound = true;
    if (argc > 1) {
        bool help = strcmp(argv[1], "--help") == 0;
        fputs(usage, help ? stdout : stderr);
        return help ? 0 : 2;
    }
    for (size_t number = 1; (len = getline(&line, &capacity, stdin)) > 0; number++)
        sound &= answer_line((struct slice){line, (size_t)len}, number);
    free(line);
    return sound && !ferror(stdin) ? 0 : 1;
}
