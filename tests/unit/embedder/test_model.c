/* Whether it is the same model: what the program that it comes from makes of 60 texts is recorded
 * in model_reference.bin (tests/oracle/record.py). Needs the weights: MODEL_DIR, or var/model where
 * deploy/up puts them; without them these tests are skipped. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "workers/embedder/model.h"

enum { REFERENCES_MAX = 64 };

static struct model *model;
static const char *model_folder;

struct reference {
    struct slice text;
    int32_t tokens[MODEL_TOKENS_MAX];
    size_t count;
    int16_t vector[MODEL_DIMENSIONS];
};

static struct reference references[REFERENCES_MAX];
static size_t reference_count;

static void read_exactly(void *to, size_t bytes, FILE *file)
{
    assert_int_equal(fread(to, 1, bytes, file), bytes);
}

static void read_references(void)
{
    FILE *file = fopen(TEST_DATA "/model_reference.bin", "rb");
    uint32_t len;
    assert_non_null(file);
    while (fread(&len, sizeof len, 1, file) == 1) {
        struct reference *reference = &references[reference_count++];
        assert_true(reference_count <= REFERENCES_MAX && len < 10000);
        char *text = xmalloc(len + 1);
        read_exactly(text, len, file);
        reference->text = (struct slice){text, len};
        read_exactly(&len, sizeof len, file);
        assert_true(len <= MODEL_TOKENS_MAX);
        reference->count = len;
        read_exactly(reference->tokens, len * sizeof *reference->tokens, file);
        read_exactly(reference->vector, sizeof reference->vector, file);
    }
    fclose(file);
}

static int open_all(void **state)
{
    (void)state;
    read_references();
    model_folder = getenv("MODEL_DIR");
    if (!model_folder) model_folder = TEST_DATA "/../../../var/model";
    if (access(model_folder, R_OK) != 0) {
        print_message("skipped: no model in %s (tests/run oracle fetches it, or deploy/up)\n",
                      model_folder);
        return 0;
    }
    return model_open(model_folder, &model);
}

static int close_all(void **state)
{
    (void)state;
    model_close(&model);
    while (reference_count) free((char *)references[--reference_count].text.ptr);
    return 0;
}

#define NEEDS_MODEL         \
    do {                    \
        (void)state;        \
        if (!model) skip(); \
    } while (0)

static void embed(struct slice text, float *vector)
{
    int32_t tokens[MODEL_TOKENS_MAX];
    model_run(model, &(struct model_text){tokens, model_cut(model, text, tokens), vector}, 1);
}

static double cosine(const float *a, const int16_t *b)
{
    double dot = 0, left = 0, right = 0;
    for (size_t i = 0; i < MODEL_DIMENSIONS; i++) {
        dot += (double)a[i] * b[i];
        left += (double)a[i] * a[i];
        right += (double)b[i] * b[i];
    }
    return dot / sqrt(left * right);
}

static void texts_are_cut_as_its_own_program_cuts_them(void **state)
{
    int32_t tokens[MODEL_TOKENS_MAX];
    NEEDS_MODEL;
    assert_int_equal(reference_count, 60);
    for (size_t i = 0; i < reference_count; i++) {
        assert_int_equal(model_cut(model, references[i].text, tokens), references[i].count);
        assert_memory_equal(tokens, references[i].tokens, references[i].count * sizeof *tokens);
    }
}

static void vectors_are_those_of_its_own_program(void **state)
{
    float vector[MODEL_DIMENSIONS];
    NEEDS_MODEL;
    for (size_t i = 0; i < reference_count; i++) {
        embed(references[i].text, vector);
        if (cosine(vector, references[i].vector) < 0.9999)
            fail_msg("text %zu: cosine %.6f", i, cosine(vector, references[i].vector));
    }
}

static void a_text_has_the_same_bits_alone_and_in_a_batch(void **state)
{
    static float together[REFERENCES_MAX][MODEL_DIMENSIONS];
    struct model_text texts[REFERENCES_MAX];
    float alone[MODEL_DIMENSIONS];
    NEEDS_MODEL;
    for (size_t i = 0; i < reference_count; i++)
        texts[i] = (struct model_text){references[i].tokens, references[i].count, together[i]};
    model_run(model, texts, reference_count);
    for (size_t i = 0; i < reference_count; i++) {
        embed(references[i].text, alone);
        assert_memory_equal(alone, together[i], sizeof alone);
    }
}

static void a_text_has_the_same_bits_read_in_parts(void **state)
{
    static const size_t steps[] = {3, 100};
    float whole[MODEL_DIMENSIONS], vector[MODEL_DIMENSIONS];
    NEEDS_MODEL;
    for (size_t i = 0; i < reference_count * ARRAY_LEN(steps); i++) {
        struct model_text text = {references[i % reference_count].tokens,
                                  references[i % reference_count].count, vector};
        size_t step = steps[i / reference_count];
        _Alignas(64) float sums[MODEL_FEATURES] = {0};
        struct model_part part = {.tokens = text.tokens, .count = text.count, .sums = sums};
        if (text.count <= step || text.count > 8 * step) continue; /* no parts; too many */
        for (; part.end < text.count; model_read(model, &part, 1)) {
            part.first = part.end;
            part.end = MIN(part.first + step, text.count);
        }
        model_finish(model, &text, sums, 1);
        embed(references[i % reference_count].text, whole);
        assert_memory_equal(vector, whole, sizeof whole);
    }
}

static void a_text_has_the_same_bits_on_every_processor_with_fused_sums(void **state)
{
    float first[MODEL_DIMENSIONS], other[MODEL_DIMENSIONS];
    const char *name;
    NEEDS_MODEL;
    embed(references[7].text, first);
    for (size_t i = 1; (name = matrix_variant(i)); i++) {
        matrix_use(name);
        embed(references[7].text, other);
        if (strcmp(name, "plain") != 0)
            assert_memory_equal(first, other, sizeof first);
        else
            assert_true(cosine(other, references[7].vector) > 0.9999);
    }
    matrix_use(NULL);
}

static void a_text_too_long_counts_by_its_beginning(void **state)
{
    enum { BYTES = 1 << 20 };
    int32_t tokens[MODEL_TOKENS_MAX];
    NEEDS_MODEL;
    char *text = xmalloc(BYTES);
    for (size_t i = 0; i < BYTES; i += 4) memcpy(text + i, "mil ", 4);
    assert_int_equal(model_cut(model, (struct slice){text, BYTES}, tokens), MODEL_TOKENS_MAX);
    assert_int_equal(tokens[MODEL_TOKENS_MAX - 1], references[0].tokens[2]);
    free(text);
}

static void odd_texts_have_vectors_of_length_one(void **state)
{
    static const struct slice odd[] = {
        {NULL, 0}, {"\0\0", 2}, {"\xff\xfe\x80", 3}, {"\xc3", 1}, {"\n\t  ", 4}};
    float vector[MODEL_DIMENSIONS];
    NEEDS_MODEL;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        double square = 0;
        embed(odd[i], vector);
        for (size_t d = 0; d < MODEL_DIMENSIONS; d++) square += (double)vector[d] * vector[d];
        assert_true(fabs(square - 1) < 1e-5);
    }
}

/* --- a folder with something wrong in it: links to the model's files, but for one --- */

static char *join(const char *folder, const char *name)
{
    char *path;
    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    return path;
}

static void unlink_one(const char *folder, const char *name)
{
    char *path = join(folder, name);
    unlink(path);
    free(path);
}

static void link_into(const char *folder, const char *name, const char *to)
{
    char *from = join(folder, name), *target = join(model_folder, to);
    unlink(from);
    assert_int_equal(symlink(target, from), 0);
    free(from);
    free(target);
}

static void link_one(const char *folder, const char *name)
{
    link_into(folder, name, name);
}

/* A copy without its last byte. */
static void cut_in(const char *folder, const char *name)
{
    char *path = join(model_folder, name), *cut = join(folder, name);
    struct stat status;
    unlink(cut);
    assert_int_equal(stat(path, &status), 0);
    FILE *from = fopen(path, "rb"), *to = fopen(cut, "wb");
    assert_true(from && to);
    for (off_t i = 1; i < status.st_size; i++) putc(getc(from), to);
    fclose(from);
    fclose(to);
    free(path);
    free(cut);
}

static void for_each_file(const char *folder, void (*act)(const char *folder, const char *name))
{
    char *path = join(model_folder, "weights");
    DIR *weights = opendir(path);
    struct dirent *entry;
    assert_non_null(weights);
    while ((entry = readdir(weights))) {
        char *name = join("weights", entry->d_name);
        if (entry->d_name[0] != '.') act(folder, name);
        free(name);
    }
    closedir(weights);
    free(path);
    act(folder, "sp.model");
}

static void a_model_with_a_wrong_file_is_refused(void **state)
{
    static const struct {
        const char *name, *instead; /* NULL: it is cut; "": missing */
    } cases[] = {
        {"weights/w1_2.npy", "weights/w2_2.npy"},
        {"weights/b1_5.npy", "weights/b2_5.npy"},
        {"weights/q3.npy", "weights/q4.npy"},
        {"weights/q17.npy", "weights/q1.npy"},
        {"weights/lo.npy", "weights/scale.npy"},
        {"weights/proj2.npy", "weights/cnn_W.npy"},
        {"weights/d0.npy", "weights/p1.npy"},
        {"weights/cnn_W.npy", NULL},
        {"weights/q9.npy", NULL},
        {"weights/eps.npy", NULL},
        {"weights/ln_g.npy", ""},
        {"sp.model", ""},
        {"sp.model", "weights/q1.npy"},
        {"sp.model", NULL},
    };
    char folder[] = "/tmp/millrace-model-XXXXXX", weights[64];
    struct model *wrong = NULL;
    NEEDS_MODEL;
    assert_non_null(mkdtemp(folder));
    snprintf(weights, sizeof weights, "%s/weights", folder);
    assert_int_equal(mkdir(weights, 0700), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for_each_file(folder, unlink_one);
        for_each_file(folder, link_one);
        if (!cases[i].instead)
            cut_in(folder, cases[i].name);
        else if (*cases[i].instead)
            link_into(folder, cases[i].name, cases[i].instead);
        else
            unlink_one(folder, cases[i].name);
        if (model_open(folder, &wrong) != ERR_MODEL_INVALID) fail_msg("%s", cases[i].name);
    }
    for_each_file(folder, unlink_one);
    rmdir(weights);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_cut_as_its_own_program_cuts_them),
        cmocka_unit_test(vectors_are_those_of_its_own_program),
        cmocka_unit_test(a_text_has_the_same_bits_alone_and_in_a_batch),
        cmocka_unit_test(a_text_has_the_same_bits_read_in_parts),
        cmocka_unit_test(a_text_has_the_same_bits_on_every_processor_with_fused_sums),
        cmocka_unit_test(a_text_too_long_counts_by_its_beginning),
        cmocka_unit_test(odd_texts_have_vectors_of_length_one),
        cmocka_unit_test(a_model_with_a_wrong_file_is_refused),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
