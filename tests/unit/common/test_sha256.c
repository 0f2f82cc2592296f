/* The examples of FIPS 180-4, and the lengths around a block's end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/sha256.h"

static void digest_of(struct slice text, size_t step, char hex[SHA256_HEX + 1])
{
    uint8_t digest[SHA256_BYTES];
    struct sha256 sha;
    sha256_init(&sha);
    for (size_t at = 0; at < text.len; at += step)
        sha256_add(&sha, (struct slice){text.ptr + at, MIN(step, text.len - at)});
    sha256_end(&sha, digest);
    sha256_hex(digest, hex);
}

static void standard_texts_give_the_standard_digests(void **state)
{
    static const struct {
        const char *text, *want;
    } table[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrl"
         "mno"
         "pqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char got[SHA256_HEX + 1];
        digest_of(slice_of(table[i].text), 64, got);
        assert_string_equal(got, table[i].want);
    }
}

static void a_million_letters_give_the_standard_digest(void **state)
{
    static char letters[1000000];
    char got[SHA256_HEX + 1];
    (void)state;
    memset(letters, 'a', sizeof(letters));
    digest_of((struct slice){letters, sizeof(letters)}, 999, got);
    assert_string_equal(got, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void a_text_given_in_pieces_has_the_digest_of_the_whole(void **state)
{
    char text[200];
    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t len = 0; len <= sizeof(text); len++) {
        char whole[SHA256_HEX + 1], pieces[SHA256_HEX + 1];
        digest_of((struct slice){text, len}, sizeof(text), whole);
        digest_of((struct slice){text, len}, 7, pieces);
        assert_string_equal(whole, pieces);
    }
}

static void fields_do_not_flow_into_each_other(void **state)
{
    uint8_t one[SHA256_BYTES], other[SHA256_BYTES];
    struct sha256 sha;
    (void)state;
    sha256_init(&sha);
    sha256_add_field(&sha, SLICE("ab"));
    sha256_add_field(&sha, SLICE("c"));
    sha256_end(&sha, one);
    sha256_init(&sha);
    sha256_add_field(&sha, SLICE("a"));
    sha256_add_field(&sha, SLICE("bc"));
    sha256_end(&sha, other);
    assert_memory_not_equal(one, other, SHA256_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard_texts_give_the_standard_digests),
        cmocka_unit_test(a_million_letters_give_the_standard_digest),
        cmocka_unit_test(a_text_given_in_pieces_has_the_digest_of_the_whole),
        cmocka_unit_test(fields_do_not_flow_into_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
