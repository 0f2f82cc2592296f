/* The secrets of a data folder: made once, whole, for their owner alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/sealing.h"
#include "deploy/cli/secrets.h"

static int make_folder(void **state)
{
    char *folder = xstrdup("/tmp/millrace-secrets-XXXXXX");
    *state = folder;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char path[128];
    static const char *const files[] = {"/secrets/" SECRET_KMS, "/secrets/" SECRET_KMS_PREVIOUS};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        snprintf(path, sizeof(path), "%s%s", (char *)*state, files[i]);
        unlink(path);
    }
    snprintf(path, sizeof(path), "%s/secrets", (char *)*state);
    if (rmdir(path)) unlink(path);
    int left = rmdir(*state);
    free(*state);
    return left;
}

static void write_secret(const char *folder, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/secrets", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/secrets/%s", folder, SECRET_KMS);
    FILE *file = fopen(path, "w");
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static mode_t mode_of(const char *folder, const char *name)
{
    char path[128];
    struct stat status;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static void a_key_is_made_once_and_for_its_owner_alone(void **state)
{
    char first[SECRET_SIZE], second[SECRET_SIZE];
    struct sealer *sealer = NULL;
    mode_t before = umask(0);
    assert_true(secret_read_or_make(*state, SECRET_KMS, first));
    umask(before);
    assert_int_equal(mode_of(*state, "secrets"), 0700);
    assert_int_equal(mode_of(*state, "secrets/" SECRET_KMS), 0600);
    assert_true(secret_read_or_make(*state, SECRET_KMS, second));
    assert_string_equal(first, second);
    assert_int_equal(sealer_new(first, "", &sealer), OK);
    sealer_destroy(&sealer);
}

static void a_secret_that_is_not_there_is_empty_and_none_is_made_by_reading(void **state)
{
    char text[SECRET_SIZE] = "before";
    assert_true(secret_read(*state, SECRET_KMS_PREVIOUS, text));
    assert_string_equal(text, "");
    assert_true(secret_read(*state, SECRET_KMS_PREVIOUS, text));
}

static void a_secret_is_its_first_line(void **state)
{
    char text[SECRET_SIZE];
    write_secret(*state, "a key of one's own\r\nand a remark\n");
    assert_true(secret_read_or_make(*state, SECRET_KMS, text));
    assert_string_equal(text, "a key of one's own");
}

static void a_secret_that_cannot_be_read_or_written_is_no_empty_one(void **state)
{
    char path[128], text[SECRET_SIZE];
    snprintf(path, sizeof(path), "%s/secrets", (char *)*state);
    FILE *file = fopen(path, "w"); /* in the folder's place */
    assert_int_equal(fclose(file), 0);
    assert_false(secret_read(*state, SECRET_KMS, text));
    assert_false(secret_read_or_make(*state, SECRET_KMS, text));
}

#define SECRET_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SECRET_TEST(a_key_is_made_once_and_for_its_owner_alone),
        SECRET_TEST(a_secret_that_is_not_there_is_empty_and_none_is_made_by_reading),
        SECRET_TEST(a_secret_is_its_first_line),
        SECRET_TEST(a_secret_that_cannot_be_read_or_written_is_no_empty_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
