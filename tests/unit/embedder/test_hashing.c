#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/buffer.h"
#include "workers/embedder/hashing.h"

static void embed(const char *text, float *vector)
{
    struct hashing *hashing = hashing_new();
    hashing_embed(hashing, slice_of(text), vector);
    hashing_destroy(&hashing);
}

static double dot(const float *a, const float *b)
{
    double sum = 0;
    for (size_t i = 0; i < HASHING_DIMENSIONS; i++) sum += (double)a[i] * b[i];
    return sum;
}

static double similarity(const char *left, const char *right)
{
    float a[HASHING_DIMENSIONS], b[HASHING_DIMENSIONS];
    embed(left, a);
    embed(right, b);
    return dot(a, b);
}

static void vectors_have_length_one_and_nothing_has_none(void **state)
{
    static const char *const nothing[] = {"", "   ", "?!", "the of and"};
    float vector[HASHING_DIMENSIONS];
    (void)state;
    embed("Where does the mill stand?", vector);
    assert_true(fabs(dot(vector, vector) - 1) < 1e-5);
    for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
        embed(nothing[i], vector);
        assert_true(dot(vector, vector) == 0);
    }
}

/* Stored vectors meet those of questions made on other machines, by other builds. */
static void the_same_text_has_the_same_bits_for_good(void **state)
{
    float vector[HASHING_DIMENSIONS];
    uint64_t got = 14695981039346656037u;
    (void)state;
    embed("La configuración del servidor: max_connections = 100, and some English", vector);
    for (size_t i = 0; i < sizeof vector; i++)
        got = (got ^ ((const unsigned char *)vector)[i]) * 1099511628211u;
    assert_int_equal(got, UINT64_C(0x84d5b15bbd0dd59d));
}

static void wording_tells_texts_apart(void **state)
{
    static const struct {
        const char *text, *near, *far;
    } cases[] = {
        {"install a package", "installing packages", "delete a user"},
        {"Configuración del servidor", "CONFIGURACION DE SERVIDORES", "borrar un fichero"},
        {"max connections", "max_conections", "shared buffers"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double near = similarity(cases[i].text, cases[i].near);
        assert_true(near > 0.4);
        assert_true(near > similarity(cases[i].text, cases[i].far) + 0.2);
    }
}

static void any_bytes_and_any_length_are_embedded(void **state)
{
    struct buffer text = {0};
    struct hashing *hashing = hashing_new();
    float vector[HASHING_DIMENSIONS];
    uint32_t random = 7;
    (void)state;
    for (size_t i = 0; i < 300000; i++) {
        random = random * 1664525 + 1013904223;
        buffer_append_char(&text, (char)(random >> 24));
    }
    hashing_embed(hashing, buffer_slice(&text), vector);
    assert_true(fabs(dot(vector, vector) - 1) < 1e-5);
    hashing_destroy(&hashing);
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_have_length_one_and_nothing_has_none),
        cmocka_unit_test(the_same_text_has_the_same_bits_for_good),
        cmocka_unit_test(wording_tells_texts_apart),
        cmocka_unit_test(any_bytes_and_any_length_are_embedded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
