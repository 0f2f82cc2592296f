/* Sealed keys: what opens them, and everything that must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/log.h"
#include "common/sealing.h"

#define KEY_A  "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
#define KEY_B  "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="
#define SECRET SLICE("sk-test-0123456789")
#define TENANT SLICE("acme")

static struct sealer *sealer_of(const char *key, const char *previous)
{
    struct sealer *sealer = NULL;
    assert_int_equal(sealer_new(key, previous, &sealer), OK);
    return sealer;
}

/* Sealed by KEY_A for TENANT. */
static struct buffer sealed_secret(struct slice secret)
{
    struct buffer sealed = {0};
    struct sealer *sealer = sealer_of(KEY_A, "");
    assert_int_equal(seal(sealer, TENANT, secret, &sealed), OK);
    sealer_destroy(&sealer);
    return sealed;
}

static err_t open_with(const char *key, const char *previous, struct slice tenant,
                       struct slice sealed, struct buffer *secret)
{
    struct sealer *sealer = sealer_of(key, previous);
    err_t error = unseal(sealer, tenant, sealed, secret);
    sealer_destroy(&sealer);
    return error;
}

static void what_was_sealed_opens_to_the_same_bytes(void **state)
{
    static const struct slice secrets[] = {SLICE(""), SLICE("x"), SECRET, SLICE("a\0b\xff")};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        struct buffer sealed = sealed_secret(secrets[i]), got = {0};
        assert_true(is_sealed(buffer_slice(&sealed)));
        assert_int_equal(open_with(KEY_A, "", TENANT, buffer_slice(&sealed), &got), OK);
        assert_true(slice_equal(buffer_slice(&got), secrets[i]));
        buffer_free(&sealed);
        buffer_free(&got);
    }
}

static void sealing_twice_gives_two_texts_and_neither_shows_the_secret(void **state)
{
    struct buffer one = sealed_secret(SECRET), other = sealed_secret(SECRET);
    (void)state;
    assert_false(slice_equal(buffer_slice(&one), buffer_slice(&other)));
    assert_null(memmem(one.data, one.len, SECRET.ptr, SECRET.len));
    buffer_free(&one);
    buffer_free(&other);
}

static void another_key_or_tenant_or_none_does_not_open(void **state)
{
    static const struct {
        const char *what, *key, *previous;
        struct slice tenant;
        err_t want;
    } table[] = {
        {"the sealing key", KEY_A, "", TENANT, OK},
        {"the key before", KEY_B, KEY_A, TENANT, OK},
        {"the key before alone", "", KEY_A, TENANT, OK},
        {"another key", KEY_B, "", TENANT, ERR_KMS_KEY_WRONG},
        {"another tenant", KEY_A, "", SLICE("other"), ERR_KMS_KEY_WRONG},
        {"no tenant", KEY_A, "", SLICE(""), ERR_KMS_KEY_WRONG},
        {"no key", "", "", TENANT, ERR_KMS_KEY_MISSING},
    };
    struct buffer sealed = sealed_secret(SECRET);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct buffer got = {0};
        err_t error = open_with(table[i].key, table[i].previous, table[i].tenant,
                                buffer_slice(&sealed), &got);
        if (error != table[i].want) print_error("%s\n", table[i].what);
        assert_int_equal(error, table[i].want);
        assert_int_equal(got.len, error ? 0 : SECRET.len);
        buffer_free(&got);
    }
    buffer_free(&sealed);
}

static void a_sealed_text_changed_anywhere_does_not_open(void **state)
{
    struct buffer sealed = sealed_secret(SECRET), got = {0};
    struct sealer *sealer = sealer_of(KEY_A, "");
    (void)state;
    for (size_t i = 0; i < sealed.len; i++) {
        char was = sealed.data[i];
        sealed.data[i] = was == 'f' ? 'e' : 'f';
        assert_int_equal(unseal(sealer, TENANT, buffer_slice(&sealed), &got), ERR_KMS_KEY_WRONG);
        sealed.data[i] = was;
    }
    for (size_t len = 0; len < sealed.len; len++)
        assert_int_equal(unseal(sealer, TENANT, (struct slice){sealed.data, len}, &got),
                         ERR_KMS_KEY_WRONG);
    assert_int_equal(got.len, 0);
    sealer_destroy(&sealer);
    buffer_free(&sealed);
}

static void without_a_key_nothing_is_sealed_and_the_key_before_never_seals(void **state)
{
    static const char *const previous[] = {"", KEY_A};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(previous); i++) {
        struct buffer sealed = {0};
        struct sealer *sealer = sealer_of("", previous[i]);
        assert_int_equal(seal(sealer, TENANT, SECRET, &sealed), ERR_KMS_KEY_MISSING);
        assert_int_equal(sealed.len, 0);
        sealer_destroy(&sealer);
    }
}

static void the_key_before_is_told_from_the_one_of_now(void **state)
{
    static const struct {
        const char *key, *previous;
        bool want;
    } table[] = {
        {KEY_B, KEY_A, true},  {KEY_A, KEY_B, false}, {KEY_A, KEY_A, false},
        {KEY_B, KEY_B, false}, {KEY_A, "", false},    {"", "", false},
    };
    struct buffer sealed = sealed_secret(SECRET);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct sealer *sealer = sealer_of(table[i].key, table[i].previous);
        assert_int_equal(sealed_by_previous(sealer, buffer_slice(&sealed)), table[i].want);
        assert_false(sealed_by_previous(sealer, SECRET));
        sealer_destroy(&sealer);
    }
    buffer_free(&sealed);
}

static void a_setting_that_is_no_key_is_refused(void **state)
{
    static const char *const wrong[] = {
        "secret",
        "0000000000000000000000000000000000000000000000000000000000000000", /* hex */
        "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQQ==",                     /* 31 bytes */
        "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB",                     /* 33 bytes */
        "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=x",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct sealer *sealer = NULL;
        assert_int_equal(sealer_new(wrong[i], "", &sealer), ERR_BAD_SETTING);
        assert_int_equal(sealer_new(KEY_A, wrong[i], &sealer), ERR_BAD_SETTING);
        assert_null(sealer);
    }
}

static void a_key_that_was_made_is_taken_and_never_comes_twice(void **state)
{
    char one[SEALING_KEY_SIZE], other[SEALING_KEY_SIZE];
    (void)state;
    sealing_key_make(one);
    sealing_key_make(other);
    assert_string_not_equal(one, other);
    struct sealer *sealer = sealer_of(one, other);
    sealer_destroy(&sealer);
}

static void a_line_end_behind_a_key_is_no_part_of_it(void **state)
{
    struct buffer sealed = sealed_secret(SECRET), got = {0};
    (void)state;
    assert_int_equal(open_with(KEY_A "\n", "", TENANT, buffer_slice(&sealed), &got), OK);
    buffer_free(&sealed);
    buffer_free(&got);
}

static void only_the_whole_form_counts_as_sealed(void **state)
{
    static const struct {
        const char *text;
        bool want;
    } table[] = {
        {"v1.0123456789abcdef.QUJD", true},
        {"v1.0123456789abcdef.", false},
        {"v1.0123456789abcde.QUJD", false},
        {"v1.0123456789ABCDEF.QUJD", false},
        {"v2.0123456789abcdef.QUJD", false},
        {"v1.0123456789abcdefQUJDQ", false},
        {"v1.0123456789abcdef.QU JD", false},
        {" v1.0123456789abcdef.QUJD", false},
        {"sk-proj-abcdef", false},
        {"v1.", false},
        {"", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        assert_int_equal(is_sealed(slice_of(table[i].text)), table[i].want);
    }
    assert_false(is_sealed((struct slice){0}));
    assert_false(is_sealed(SLICE("v1.0123456789abcdef.QU\0D")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sealed_opens_to_the_same_bytes),
        cmocka_unit_test(sealing_twice_gives_two_texts_and_neither_shows_the_secret),
        cmocka_unit_test(another_key_or_tenant_or_none_does_not_open),
        cmocka_unit_test(a_sealed_text_changed_anywhere_does_not_open),
        cmocka_unit_test(without_a_key_nothing_is_sealed_and_the_key_before_never_seals),
        cmocka_unit_test(the_key_before_is_told_from_the_one_of_now),
        cmocka_unit_test(a_setting_that_is_no_key_is_refused),
        cmocka_unit_test(a_key_that_was_made_is_taken_and_never_comes_twice),
        cmocka_unit_test(a_line_end_behind_a_key_is_no_part_of_it),
        cmocka_unit_test(only_the_whole_form_counts_as_sealed),
    };
    log_open("test", "error");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
