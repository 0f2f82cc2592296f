#include "common/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum metric_kind { COUNTER, GAUGE, HISTOGRAM };

#define LABELS_MAX 2

static const struct {
    const char *name, *labels, *help;
    enum metric_kind kind;
} metrics[] = {
#define METRIC_ENTRY(NAME, name, kind, labels, help) {"millrace_" name, labels, help, kind},
    METRIC_LIST(METRIC_ENTRY)
#undef METRIC_ENTRY
};

static const char *const kind_names[] = {"counter", "gauge", "histogram"};

/* Seconds; a fast path of a millisecond and a model's answer of a minute both show. */
static const double bounds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                0.25,   0.5,   1,      2.5,   5,    10,    30,   60};

struct series {
    struct series *next;
    char *labels[LABELS_MAX];
    double value; /* a histogram's sum */
    uint64_t buckets[];
};

static struct {
    struct series *first;
    size_t count;
} all[METRIC_COUNT];

static bool label_is(const char *label, const char *wanted)
{
    return label == wanted || (label && wanted && !strcmp(label, wanted));
}

static struct series *series_new(enum metric metric, const char *first, const char *second)
{
    size_t buckets = metrics[metric].kind == HISTOGRAM ? ARRAY_LEN(bounds) + 1 : 0;
    struct series *series = xcalloc(1, sizeof(*series) + buckets * sizeof(uint64_t));
    if (first) series->labels[0] = xstrdup(first);
    if (second) series->labels[1] = xstrdup(second);
    series->next = all[metric].first;
    all[metric].first = series;
    all[metric].count++;
    return series;
}

static struct series *series_find(enum metric metric, const char *first, const char *second)
{
    for (struct series **at = &all[metric].first; *at; at = &(*at)->next) {
        struct series *series = *at;
        if (!label_is(series->labels[0], first) || !label_is(series->labels[1], second)) continue;
        *at = series->next; /* to the front: the same ones are touched again and again */
        series->next = all[metric].first;
        return all[metric].first = series;
    }
    return NULL;
}

static struct series *series_of(enum metric metric, const char *first, const char *second)
{
    struct series *series = series_find(metric, first, second);
    if (series) return series;
    if (first && all[metric].count >= METRIC_SERIES_MAX - 1) {
        first = "other";
        second = second ? "other" : NULL;
        series = series_find(metric, first, second);
    }
    return series ? series : series_new(metric, first, second);
}

void metric_add(enum metric metric, double by, const char *first, const char *second)
{
    series_of(metric, first, second)->value += by;
}

void metric_set(enum metric metric, double value, const char *first, const char *second)
{
    series_of(metric, first, second)->value = value;
}

void metric_observe(enum metric metric, double value, const char *first)
{
    struct series *series = series_of(metric, first, NULL);
    size_t bucket = 0;
    while (bucket < ARRAY_LEN(bounds) && value > bounds[bucket]) bucket++;
    series->buckets[bucket]++;
    series->value += value;
}

static uint64_t observations(const struct series *series)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= ARRAY_LEN(bounds); i++) count += series->buckets[i];
    return count;
}

double metric_value(enum metric metric, const char *first, const char *second)
{
    const struct series *series = series_find(metric, first, second);
    if (!series) return 0;
    return metrics[metric].kind == HISTOGRAM ? (double)observations(series) : series->value;
}

/* --- out --- */

static void write_escaped(struct buffer *out, const char *text, const char *escaped)
{
    for (; *text; text++) {
        if (*text == '\n') {
            buffer_append_text(out, "\\n");
            continue;
        }
        if (strchr(escaped, *text)) buffer_append_char(out, '\\');
        buffer_append_char(out, *text);
    }
}

static void write_label(struct buffer *out, struct slice name, const char *value)
{
    if (out->data[out->len - 1] != '{') buffer_append_char(out, ',');
    buffer_append_slice(out, name);
    buffer_append_text(out, "=\"");
    write_escaped(out, value, "\\\"");
    buffer_append_char(out, '"');
}

/* Writes `name{labels} `, with `le` behind the metric's own labels if it is not NULL. */
static void write_series_name(struct buffer *out, enum metric metric, const char *suffix,
                              const struct series *series, const char *le)
{
    const char *names = metrics[metric].labels;
    buffer_append_text(out, metrics[metric].name);
    buffer_append_text(out, suffix);
    if (*names || le) buffer_append_char(out, '{');
    for (size_t i = 0; i < LABELS_MAX && *names; i++) {
        size_t len = strcspn(names, ",");
        write_label(out, (struct slice){names, len}, series->labels[i] ? series->labels[i] : "");
        names += len + (names[len] == ',');
    }
    if (le) write_label(out, SLICE("le"), le);
    buffer_append_text(out, *metrics[metric].labels || le ? "} " : " ");
}

static void write_number(struct buffer *out, double value)
{
    if (value == floor(value) && fabs(value) < 1e15)
        buffer_printf(out, "%.0f\n", value);
    else
        buffer_printf(out, "%.9g\n", value);
}

static void write_histogram(struct buffer *out, enum metric metric, const struct series *series)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= ARRAY_LEN(bounds); i++) {
        char le[32] = "+Inf";
        if (i < ARRAY_LEN(bounds)) snprintf(le, sizeof(le), "%g", bounds[i]);
        count += series->buckets[i];
        write_series_name(out, metric, "_bucket", series, le);
        write_number(out, (double)count);
    }
    write_series_name(out, metric, "_sum", series, NULL);
    write_number(out, series->value);
    write_series_name(out, metric, "_count", series, NULL);
    write_number(out, (double)count);
}

static void write_metric(struct buffer *out, enum metric metric)
{
    buffer_printf(out, "# HELP %s ", metrics[metric].name);
    write_escaped(out, metrics[metric].help, "\\");
    buffer_printf(out, "\n# TYPE %s %s\n", metrics[metric].name, kind_names[metrics[metric].kind]);
    for (const struct series *series = all[metric].first; series; series = series->next) {
        if (metrics[metric].kind == HISTOGRAM) {
            write_histogram(out, metric, series);
            continue;
        }
        write_series_name(out, metric, "", series, NULL);
        write_number(out, series->value);
    }
}

void metrics_write(struct buffer *out)
{
    for (size_t i = 0; i < METRIC_COUNT; i++)
        if (all[i].first) write_metric(out, (enum metric)i);
}

static void series_free(struct series *series)
{
    for (size_t i = 0; i < LABELS_MAX; i++) free(series->labels[i]);
    free(series);
}

void metrics_reset(void)
{
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        while (all[i].first) {
            struct series *series = all[i].first;
            all[i].first = series->next;
            series_free(series);
        }
        all[i].count = 0;
    }
}
