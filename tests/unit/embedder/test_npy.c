/* Arrays are files that somebody else wrote: what is not to the letter the array that is wanted is
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/buffer.h"
#include "workers/embedder/npy.h"

#define DICT "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"

static const struct npy_shape wanted = {NPY_FLOAT32, 2, 3};
static const float values[6] = {1, 2, 3, 4, 5, 6};

static char folder[] = "/tmp/millrace-npy-XXXXXX";

static int make_folder(void **state)
{
    char path[64];
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/weights", folder);
    return mkdir(path, 0700);
}

static int remove_folder(void **state)
{
    char path[64];
    (void)state;
    snprintf(path, sizeof path, "%s/weights", folder);
    return rmdir(path) || rmdir(folder);
}

/* A file as NumPy writes it: the header filled with spaces to a multiple of 64. */
static void build(const char *magic, const char *dict, size_t header, size_t bytes,
                  struct buffer *file)
{
    file->len = 0;
    buffer_append(file, magic, 8);
    buffer_append_char(file, (char)(header & 0xFF));
    buffer_append_char(file, (char)(header >> 8));
    buffer_append_text(file, dict);
    while (file->len < 10 + header - 1) buffer_append_char(file, ' ');
    buffer_append_char(file, '\n');
    for (size_t i = 0; i < bytes; i++)
        buffer_append_char(file, ((const char *)values)[i % sizeof values]);
}

static err_t open_bytes(struct slice bytes, struct npy *npy)
{
    char path[64];
    snprintf(path, sizeof path, "%s/weights/x.npy", folder);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.ptr ? bytes.ptr : "", 1, bytes.len, file), bytes.len);
    fclose(file);
    err_t error = npy_open(npy, folder, "x", &wanted);
    unlink(path);
    return error;
}

static void an_array_of_the_shape_is_mapped(void **state)
{
    struct buffer file = {0};
    struct npy npy = {0};
    (void)state;
    build("\x93NUMPY\1\0", DICT, 118, sizeof values, &file);
    assert_int_equal(open_bytes(buffer_slice(&file), &npy), OK);
    assert_memory_equal(npy.values, values, sizeof values);
    assert_int_equal((uintptr_t)npy.values % 64, 0);
    npy_close(&npy);
    assert_null(npy.map);
    buffer_free(&file);
}

static void an_array_that_is_not_to_the_letter_is_refused(void **state)
{
    static const struct {
        const char *what, *magic, *dict;
        size_t header, bytes;
    } cases[] = {
        {"no array",
         "\x7f"
         "ELF\1\1\1\0",
         DICT, 118, 24},
        {"another version", "\x93NUMPY\2\0", DICT, 118, 24},
        {"another type", "\x93NUMPY\1\0",
         "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", 118, 48},
        {"big-endian", "\x93NUMPY\1\0",
         "{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }", 118, 24},
        {"objects", "\x93NUMPY\1\0", "{'descr': '|O', 'fortran_order': False, 'shape': (2, 3), }",
         118, 24},
        {"column order", "\x93NUMPY\1\0",
         "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", 118, 24},
        {"swapped shape", "\x93NUMPY\1\0",
         "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", 118, 24},
        {"a vector", "\x93NUMPY\1\0", "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }",
         118, 24},
        {"huge", "\x93NUMPY\1\0",
         "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", 118, 24},
        {"something behind the header", "\x93NUMPY\1\0", DICT " #", 118, 24},
        {"unaligned", "\x93NUMPY\1\0", DICT, 100, 24},
        {"a value short", "\x93NUMPY\1\0", DICT, 118, 20},
        {"a byte short", "\x93NUMPY\1\0", DICT, 118, 23},
        {"a byte long", "\x93NUMPY\1\0", DICT, 118, 25},
        {"no values", "\x93NUMPY\1\0", DICT, 118, 0},
    };
    struct buffer file = {0};
    struct npy npy = {0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        build(cases[i].magic, cases[i].dict, cases[i].header, cases[i].bytes, &file);
        if (open_bytes(buffer_slice(&file), &npy) != ERR_MODEL_INVALID)
            fail_msg("%s was taken", cases[i].what);
    }
    assert_null(npy.map);
    buffer_free(&file);
}

static void an_array_cut_anywhere_is_refused(void **state)
{
    struct buffer file = {0};
    struct npy npy;
    (void)state;
    build("\x93NUMPY\1\0", DICT, 118, sizeof values, &file);
    for (size_t len = 0; len < file.len; len++)
        assert_int_equal(open_bytes((struct slice){file.data, len}, &npy), ERR_MODEL_INVALID);
    buffer_free(&file);
}

static void any_changed_byte_of_the_header_is_refused(void **state)
{
    struct buffer file = {0};
    struct npy npy;
    (void)state;
    build("\x93NUMPY\1\0", DICT, 118, sizeof values, &file);
    for (size_t at = 0; at < 128; at++)
        for (unsigned change = 1; change < 256; change += 85) {
            file.data[at] ^= (char)change;
            assert_int_equal(open_bytes(buffer_slice(&file), &npy), ERR_MODEL_INVALID);
            file.data[at] ^= (char)change;
        }
    buffer_free(&file);
}

static void what_is_no_file_is_refused(void **state)
{
    char path[64];
    struct npy npy;
    (void)state;
    assert_int_equal(npy_open(&npy, folder, "missing", &wanted), ERR_MODEL_INVALID);
    snprintf(path, sizeof path, "%s/weights/x.npy", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(npy_open(&npy, folder, "x", &wanted), ERR_MODEL_INVALID);
    rmdir(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(npy_open(&npy, folder, "x", &wanted), ERR_MODEL_INVALID);
    unlink(path);
}

static void a_scalar_and_a_vector_have_shapes_of_their_own(void **state)
{
    static const struct npy_shape scalar = {NPY_FLOAT64, 0, 0}, vector = {NPY_UINT8, 7, 0};
    (void)state;
    assert_int_equal(npy_count(&scalar), 1);
    assert_int_equal(npy_count(&vector), 7);
    assert_int_equal(npy_count(&wanted), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_array_of_the_shape_is_mapped),
        cmocka_unit_test(an_array_that_is_not_to_the_letter_is_refused),
        cmocka_unit_test(an_array_cut_anywhere_is_refused),
        cmocka_unit_test(any_changed_byte_of_the_header_is_refused),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(a_scalar_and_a_vector_have_shapes_of_their_own),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
