/* The embedders and what fusion does with their vectors.
 *
 * `vector_weight` is measured (tests/eval: 192 questions, three sets of real documentation; passage
 * among the first eight, mean reciprocal rank). Words alone .849, .673.
 *
 * hashing: weight .2 .849, .679; .5 .802, .644; vector alone .656, .480; weights chosen for each
 * set on the two others (.05, .05, .2) .839, .677. It matches wording as BM25 does, so it adds
 * little: most where the question is worded unlike the text (.564 to .600).
 *
 * The model: weight .2 .859, .684; .4 .844, .678; .5 .828, .666; vector alone .651, .487; weights
 * chosen for each set on the two others (.2, .15, .2) .854, .684, on no set below words alone:
 * .910, .806 for .910, .784 (Debian), .833, .690 for .817, .690 (manuals in Spanish), .815, .551
 * for .815, .544 (PostgreSQL). By kind of question at .2: misspelt .960, natural .969 (words alone
 * .958), worded unlike the text .582 (.564).
 *
 * `semantic_threshold` is measured, too (tests/eval/semantic.py, 10,000 public pairs of questions,
 * of which 3,711 are labelled as the same). What keeps wrong answers out is the guard
 * (workers/retriever/semantic_guard.h), at every threshold: the local model with it has 187 right
 * and 4 wrong at .80, 182 and 3 at .84, 150 and 3 at .94; the cosine alone 13, 13 and 11 wrong at
 * as many right ones. So the threshold is where nearly all that mean the same still are: .80; with
 * hashing, whose vectors know words alone, .70 (190 and 4).
 *
 * Models of providers are not measured here: PROVIDER_WEIGHT is a cautious one, with which not even
 * a weak model made things worse than words alone, and so is PROVIDER_THRESHOLD. */
#include "workers/embedder/embedder.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"

#define PROVIDER_WEIGHT    0.3
#define PROVIDER_THRESHOLD 0.9

enum {
    DIMENSIONS_MAX = 4096,
    NAME_BYTES_MAX = 200,
    KNOWN_MAX = 256, /* names of providers' embedders that are remembered */
};

static const struct embedder_info own[] = {
    {.name = "hashing-1",
     .setting = "hashing",
     .dimensions = 384,
     .vector_weight = 0.2,
     .semantic_threshold = 0.7},
    {.name = "use-multilingual-3",
     .setting = "model",
     .dimensions = 512,
     .vector_weight = 0.2,
     .semantic_threshold = 0.8},
};

/* The first model of a provider is its default. */
static const char *const providers[] = {"openai", "mistral", "openai-compatible"};
static const struct {
    const char *provider, *model;
    size_t dimensions;
} models[] = {
    {"openai", "text-embedding-3-small", 1536},
    {"openai", "text-embedding-3-large", 3072},
    {"openai", "text-embedding-ada-002", 1536},
    {"mistral", "mistral-embed", 1024},
    {"mistral", "codestral-embed", 1536},
    {"openai-compatible", "nomic-embed-text", 768},
    {"openai-compatible", "mxbai-embed-large", 1024},
    {"openai-compatible", "all-minilm", 384},
    {"openai-compatible", "bge-m3", 1024},
    {"openai-compatible", "BAAI/bge-m3", 1024},
    {"openai-compatible", "intfloat/multilingual-e5-small", 384},
    {"openai-compatible", "intfloat/multilingual-e5-base", 768},
    {"openai-compatible", "intfloat/multilingual-e5-large", 1024},
};

/* --- models of providers --- */

static size_t native_dimensions(const char *provider, struct slice model)
{
    for (size_t i = 0; i < ARRAY_LEN(models); i++)
        if (!strcmp(models[i].provider, provider) && slice_equal(slice_of(models[i].model), model))
            return models[i].dimensions;
    return 0;
}

static const char *provider_find(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(providers); i++)
        if (slice_equal(slice_of(providers[i]), name)) return providers[i];
    return NULL;
}

/* "openai-compatible" is many servers: none of its models is the one to take. */
static const char *default_model(const char *provider)
{
    for (size_t i = 0; strcmp(provider, "openai-compatible") && i < ARRAY_LEN(models); i++)
        if (!strcmp(models[i].provider, provider)) return models[i].model;
    return NULL;
}

/* The number that the whole text is, written the one way; 0 for anything else. */
static size_t dimensions_of(struct slice text)
{
    size_t value = 0;
    if (!text.len || text.len > 4 || text.ptr[0] == '0') return 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!isdigit((unsigned char)text.ptr[i])) return 0;
        value = value * 10 + (size_t)(text.ptr[i] - '0');
    }
    return value <= DIMENSIONS_MAX ? value : 0;
}

static bool is_model_name(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!isgraph((unsigned char)text.ptr[i]) || text.ptr[i] == ',') return false;
    return text.len > 0;
}

/* Takes the name apart; false where it is none of a provider's. */
static bool name_parse(struct slice name, struct embedder_info *info, struct slice *model)
{
    const char *first = name.len ? memchr(name.ptr, '/', name.len) : NULL;
    const char *last = name.len ? memrchr(name.ptr, '/', name.len) : NULL;
    if (!first || first == last || name.len > NAME_BYTES_MAX) return false;
    const char *end = name.ptr + name.len;
    *model = (struct slice){first + 1, (size_t)(last - first - 1)};
    info->setting = provider_find((struct slice){name.ptr, (size_t)(first - name.ptr)});
    info->dimensions = dimensions_of((struct slice){last + 1, (size_t)(end - last - 1)});
    return info->setting && info->dimensions && is_model_name(*model);
}

/* Those that were asked for, remembered for good: what is known of an embedder is compared and kept
 * by its address. They are few, and bounded all the same, since names come from clients. */
static struct {
    pthread_mutex_t lock;
    struct embedder_info *infos[KNOWN_MAX];
    size_t count;
} known = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct embedder_info *info_new(struct slice name, const struct embedder_info *parsed,
                                      struct slice model)
{
    struct embedder_info *info = xmalloc(sizeof(*info));
    *info = *parsed;
    info->name = xstrndup(name.ptr, name.len);
    info->model = xstrndup(model.ptr, model.len);
    info->native = native_dimensions(info->setting, model);
    info->vector_weight = PROVIDER_WEIGHT;
    info->semantic_threshold = PROVIDER_THRESHOLD;
    return info;
}

static const struct embedder_info *remember(struct slice name, const struct embedder_info *parsed,
                                            struct slice model)
{
    size_t i = 0;
    pthread_mutex_lock(&known.lock);
    while (i < known.count && !slice_equal(slice_of(known.infos[i]->name), name)) i++;
    if (i == known.count && i < KNOWN_MAX)
        known.infos[known.count++] = info_new(name, parsed, model);
    const struct embedder_info *info = i < known.count ? known.infos[i] : NULL;
    pthread_mutex_unlock(&known.lock);
    return info;
}

static const struct embedder_info *find_at_provider(struct slice name)
{
    struct embedder_info parsed = {0};
    struct slice model;
    return name_parse(name, &parsed, &model) ? remember(name, &parsed, model) : NULL;
}

static const struct embedder_info *find_by_parts(const char *provider, const char *model,
                                                 size_t dimensions)
{
    char name[NAME_BYTES_MAX + 1];
    int len = snprintf(name, sizeof(name), "%s/%s/%zu", provider, model, dimensions);
    if (len >= (int)sizeof(name)) return NULL;
    return find_at_provider((struct slice){name, (size_t)len});
}

/* --- all --- */

static const struct embedder_info *find_own(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (slice_equal(slice_of(own[i].name), name) || slice_equal(slice_of(own[i].setting), name))
            return &own[i];
    return NULL;
}

const struct embedder_info *embedder_find(struct slice name)
{
    const struct embedder_info *info = find_own(name);
    const char *provider = provider_find(name);
    const char *model = provider ? default_model(provider) : NULL;
    if (info) return info;
    if (model) return find_by_parts(provider, model, native_dimensions(provider, slice_of(model)));
    return find_at_provider(name);
}

static err_t refuse(const char *setting, const char *what)
{
    log_error("EMBEDDER=%s %s", setting, what);
    return ERR_BAD_SETTING;
}

err_t embedder_configured(const struct settings *settings, const struct embedder_info **info)
{
    const char *setting = settings->embedder;
    const char *provider = provider_find(slice_of(setting));
    const struct embedder_info *found = find_own(slice_of(setting));
    if (provider) {
        const char *model =
            *settings->embedding_model ? settings->embedding_model : default_model(provider);
        if (!model) return refuse(setting, "needs EMBEDDING_MODEL");
        size_t dimensions = settings->embedding_dimensions;
        if (!dimensions) dimensions = native_dimensions(provider, slice_of(model));
        if (!dimensions) return refuse(setting, "needs EMBEDDING_DIMENSIONS with this model");
        found = find_by_parts(provider, model, dimensions);
    }
    if (!found)
        return refuse(setting, provider ? "cannot have this EMBEDDING_MODEL" : "is unknown");
    *info = found;
    return OK;
}
