/* Tokens as other programs make them (each was written by another implementation), and as this one
 * does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/access_token.h"

#define SECRET SLICE("0123456789abcdef0123456789abcdef")

static void assert_text(struct slice got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr, want, got.len);
}

static void a_signed_token_says_who_calls(void **state)
{
    static const struct {
        const char *tenant, *subject;
        enum scope scope;
        int64_t from_s, until_s;
        const char *token;
    } table[] = {
        {"acme", "ana", SCOPE_CHAT, 0, 2000000000,
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGU"
         "iOiJjaGF0IiwiZXhwIjoyMDAwMDAwMDAwfQ.xByJ078M1Od2rddN87pXnzVjKIdU6VbxyUuOAkBGPcs"},
        {"acme", "ana", SCOPE_CHAT, 1000000000, 2000000000,
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGU"
         "iOiJjaGF0IiwiZXhwIjoyMDAwMDAwMDAwLjc1LCJuYmYiOjEwMDAwMDAwMDAsImlhdCI6NSwianRpIjoieCI"
         "sImF1ZCI6WyJhIl19.eWVm6Kt1Olt2npwTLXnTyRB6hdpyNx1aV3phZ85rzDg"},
        {"acme", "ana", SCOPE_ADMIN, 0, 2000000000,
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGU"
         "iOiJvcGVuaWQgIGNoYXQgYWRtaW4gIiwiZXhwIjoyMDAwMDAwMDAwfQ.qMGUdOfRoqFjQmN0Pee1QxkEg79E"
         "wS3w8RKl-Sc5gvk"},
        {"acme", "ana", SCOPE_NONE, 0, 2000000000,
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwiZXhwIjo"
         "yMDAwMDAwMDAwfQ.FqlD3eg8EVvODp70VDo1Egig72Q4croO5FejyzgOkQ8"},
        {"équipe", "Ána Ñ", SCOPE_CHAT, 0, 2000000000,
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiLDgW5hIMORIiwidGVuYW50Ijoiw6lxdWlwZSI"
         "sInNjb3BlIjoiY2hhdCIsImV4cCI6MjAwMDAwMDAwMH0.RAmml3hSbdpbFPCfgLZgccZA42ZhIiTp46o1kOu"
         "ELnM"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct arena arena = {0};
        struct access got = {0};
        assert_int_equal(access_read(slice_of(table[i].token), SECRET, &arena, &got), OK);
        assert_text(got.tenant, table[i].tenant);
        assert_text(got.subject, table[i].subject);
        assert_int_equal(got.scope, table[i].scope);
        assert_int_equal(got.from_s, table[i].from_s);
        assert_int_equal(got.until_s, table[i].until_s);
        arena_free(&arena);
    }
}

static void what_is_not_signed_so_or_says_less_is_no_token(void **state)
{
    static const struct {
        const char *what, *token;
    } table[] = {
        {"alg none, unsigned",
         "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGUi"
         "OiJjaGF0IiwiZXhwIjoyMDAwMDAwMDAwfQ."},
        {"alg none, signed",
         "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGUi"
         "OiJjaGF0IiwiZXhwIjoyMDAwMDAwMDAwfQ.iZshEobYCDqsr6V02YQHqHOmFNo0EHZNYEnIi1YUtkc"},
        {"alg HS512 by the same secret",
         "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGU"
         "iOiJjaGF0IiwiZXhwIjoyMDAwMDAwMDAwfQ.lM-lCW65z5ELADwLr5gPV7TrKSsYKk6UhQJ5Zi9Tp0LygJnG"
         "BXeis8k8dfgb1tYh_sR_tbc5KBOZ8vJ2vmL48Q"},
        {"alg RS256, MAC by the secret",
         "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGU"
         "iOiJjaGF0IiwiZXhwIjoyMDAwMDAwMDAwfQ.dqD3HslnEuZy2XMHexkelvo3PaR2a_EuDnUwldkCKfg"},
        {"another secret",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGU"
         "iOiJjaGF0IiwiZXhwIjoyMDAwMDAwMDAwfQ.fAD7zY2mpUfBdLDtPChWSsVR5jFMZwEue3v5VG-isSk"},
        {"no alg",
         "eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGUiOiJjaGF0IiwiZXhwI"
         "joyMDAwMDAwMDAwfQ.J8-qKqN5AxV2s5RDz_KbE-9mQGYemhvURf8ketPJoN8"},
        {"critical header",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImNyaXQiOlsiZXhwIl19.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQ"
         "iOiJhY21lIiwic2NvcGUiOiJjaGF0IiwiZXhwIjoyMDAwMDAwMDAwfQ.dQPKPqo9iI_b04qinTfntgG9Pe8l"
         "uuLjbVRCGg6Dhow"},
        {"no tenant",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJzY29wZSI6ImNoYXQiLCJleHAiOjI"
         "wMDAwMDAwMDB9.GmWmyBy0GEqXLRgBbD1Sijddq88CHmUWVkoieGHekGA"},
        {"empty tenant",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiIiLCJzY29wZSI6ImN"
         "oYXQiLCJleHAiOjIwMDAwMDAwMDB9.wb6gd0XDw6ioSSV48e61tE2I40dL1G6QoJYleB0gp9M"},
        {"tenant no text",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOjcsInNjb3BlIjoiY2h"
         "hdCIsImV4cCI6MjAwMDAwMDAwMH0.9_7jKKtX02YvtylYg7Am9_ahnqp2R8bDiWD2FgJvQws"},
        {"tenant with line end",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhXG5iIiwic2NvcGU"
         "iOiJjaGF0IiwiZXhwIjoyMDAwMDAwMDAwfQ.OPPc604LwLAz32HjSTmmKvwJJOCAF9yQ0LKjLsEHcQE"},
        {"tenant with NUL",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhXHUwMDAwYiIsInN"
         "jb3BlIjoiY2hhdCIsImV4cCI6MjAwMDAwMDAwMH0._UnUOB1R0SXVmq_h6FvWAOrT4vWJI9M9r73S57C6AEg"},
        {"tenant too long",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJ0dHR0dHR0dHR0dHR"
         "0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR"
         "0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHQiLCJzY29wZSI"
         "6ImNoYXQiLCJleHAiOjIwMDAwMDAwMDB9.0ByLw12dkxfoOAIN-5v0XvEiAZOB6cpXmQM2q895mZQ"},
        {"no subject",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0ZW5hbnQiOiJhY21lIiwic2NvcGUiOiJjaGF0IiwiZXh"
         "wIjoyMDAwMDAwMDAwfQ.YcSUdaP4JAlTN_VRmSorjAVf4vpWmRUNAjBC6iBYOew"},
        {"no exp",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGU"
         "iOiJjaGF0In0.G58DSu4mnlHYwHamgBMVNtP12yauSh40QE3SOzYUT54"},
        {"exp text",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGU"
         "iOiJjaGF0IiwiZXhwIjoiMjAwMDAwMDAwMCJ9.KTxztwVxjRllhpvdxn1BIlqRJJJKCJNV6UEET_Ggi1s"},
        {"exp negative",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGU"
         "iOiJjaGF0IiwiZXhwIjotMX0.DUu80Pi2f0VqVDvGoWGFPo_K6yGGR2Id8I0ziBni8UU"},
        {"exp huge",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGU"
         "iOiJjaGF0IiwiZXhwIjoxMDAwMDAwMDAwMDAwMDAwMDAwfQ.Ejg462y6apRz72nJck-PpDYZWZEdY2Bp_NeF"
         "Ebf6_2c"},
        {"nbf text",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGU"
         "iOiJjaGF0IiwiZXhwIjoyMDAwMDAwMDAwLCJuYmYiOiJzb29uIn0.BFqaM99f8f85gOxn8uTX-46RD6qvOPO"
         "D4auMrDIxBAk"},
        {"scope list",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGU"
         "iOlsiY2hhdCJdLCJleHAiOjIwMDAwMDAwMDB9.huxKGZdAo-BT1LMocpU1p_IaB0nY6wfpy-pBFq5GfkQ"},
        {"claims a list",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.WzFd.eUqK182P5IfBOE82cBqE-NjwumkR5AT4cckCf1VjXk"
         "g"},
        {"claims no JSON",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.c3ViPWFuYQ.FRY_4k0eSSbV1xI-a69uG_Xu8VkjpczbbQpK"
         "_oaHwJY"},
        {"changed claims",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGU"
         "iOiJhZG1pbiIsImV4cCI6MjAwMDAwMDAwMH0.xByJ078M1Od2rddN87pXnzVjKIdU6VbxyUuOAkBGPcs"},
        {"no signature",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGU"
         "iOiJjaGF0IiwiZXhwIjoyMDAwMDAwMDAwfQ."},
        {"two parts",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGU"
         "iOiJjaGF0IiwiZXhwIjoyMDAwMDAwMDAwfQ"},
        {"four parts",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGU"
         "iOiJjaGF0IiwiZXhwIjoyMDAwMDAwMDAwfQ.xByJ078M1Od2rddN87pXnzVjKIdU6VbxyUuOAkBGPcs.xByJ"
         "078M1Od2rddN87pXnzVjKIdU6VbxyUuOAkBGPcs"},
        {"cut signature",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGU"
         "iOiJjaGF0IiwiZXhwIjoyMDAwMDAwMDAwfQ.xByJ078M1Od2rddN87pXnzVjKIdU6VbxyUuOAkBGPc"},
        {"nothing", ""},
        {"dots", ".."},
        {"not base64", "a!.b!.c!"},
        {"longer signature",
         "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbmEiLCJ0ZW5hbnQiOiJhY21lIiwic2NvcGU"
         "iOiJjaGF0IiwiZXhwIjoyMDAwMDAwMDAwfQ.xByJ078M1Od2rddN87pXnzVjKIdU6VbxyUuOAkBGPcsAA"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct arena arena = {0};
        struct access got = {.scope = SCOPE_NONE};
        err_t error = access_read(slice_of(table[i].token), SECRET, &arena, &got);
        if (error != ERR_TOKEN_INVALID) fail_msg("%s: %s", table[i].what, error_code(error));
        assert_null(got.tenant.ptr);
        arena_free(&arena);
    }
}

static void a_token_is_valid_between_its_times_give_or_take_the_skew(void **state)
{
    static const struct {
        int64_t now_s;
        err_t want;
    } table[] = {
        {989, ERR_TOKEN_INVALID},
        {990, OK},
        {1500, OK},
        {2009, OK},
        {2010, ERR_TOKEN_EXPIRED},
        {INT32_MAX, ERR_TOKEN_EXPIRED},
    };
    struct access access = {.from_s = 1000, .until_s = 2000};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        assert_int_equal(access_check_time(&access, table[i].now_s, 10), table[i].want);
}

static void what_is_written_is_read(void **state)
{
    struct access said = {SLICE("acme"), SLICE("deploy \"bot\""), SCOPE_ADMIN, 0, 5000};
    struct buffer token = {0};
    struct arena arena = {0};
    struct access got = {0};
    (void)state;
    assert_int_equal(access_write(&said, SECRET, 4000, &token), OK);
    assert_int_equal(access_read(buffer_slice(&token), SECRET, &arena, &got), OK);
    assert_text(got.tenant, "acme");
    assert_text(got.subject, "deploy \"bot\"");
    assert_int_equal(got.scope, SCOPE_ADMIN);
    assert_int_equal(got.until_s, 5000);
    arena_free(&arena);
    buffer_free(&token);
}

static void what_would_not_be_read_is_not_written(void **state)
{
    static const struct {
        struct access access;
        struct slice secret;
        err_t want;
    } table[] = {
        {{SLICE(""), SLICE("ana"), SCOPE_CHAT, 0, 1}, SECRET, ERR_INVALID_FIELD},
        {{SLICE("acme"), SLICE("a\tb"), SCOPE_CHAT, 0, 1}, SECRET, ERR_INVALID_FIELD},
        {{SLICE("acme"), SLICE("ana"), SCOPE_CHAT, 0, 1}, SLICE("short"), ERR_BAD_SETTING},
    };
    struct buffer token = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        assert_int_equal(access_write(&table[i].access, table[i].secret, 0, &token), table[i].want);
    assert_int_equal(token.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signed_token_says_who_calls),
        cmocka_unit_test(what_is_not_signed_so_or_says_less_is_no_token),
        cmocka_unit_test(a_token_is_valid_between_its_times_give_or_take_the_skew),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_would_not_be_read_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
