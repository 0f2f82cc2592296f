/*
 *     0        6        8           10                  10 + length, a multiple of 64
 *     "\x93NUMPY" 1 0   u16 length  {'descr': ...}  \n  values
 */
#include "workers/embedder/npy.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

enum { PREFIX_BYTES = 10, ALIGNMENT = 64, HEADER_SHOWN = 100 };

static const struct {
    const char *name; /* as NumPy spells it, little-endian */
    size_t bytes;
} types[] = {
    [NPY_UINT8] = {"|u1", 1},
    [NPY_FLOAT32] = {"<f4", 4},
    [NPY_FLOAT64] = {"<f8", 8},
};

size_t npy_count(const struct npy_shape *shape)
{
    return (shape->rows ? shape->rows : 1) * (shape->columns ? shape->columns : 1);
}

static void describe(const struct npy_shape *shape, char *out, size_t size)
{
    char dimensions[64] = "()";
    if (shape->columns)
        snprintf(dimensions, sizeof dimensions, "(%zu, %zu)", shape->rows, shape->columns);
    else if (shape->rows)
        snprintf(dimensions, sizeof dimensions, "(%zu,)", shape->rows);
    snprintf(out, size, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
             types[shape->type].name, dimensions);
}

/* What the file says of itself, as far as it is fit for a log. */
static void quote(const char *header, size_t len, char *out)
{
    size_t kept = 0;
    while (kept < MIN(len, HEADER_SHOWN) && isprint((unsigned char)header[kept])) kept++;
    while (kept && header[kept - 1] == ' ') kept--;
    memcpy(out, header, kept);
    out[kept] = '\0';
}

static bool only_padding(const char *text, size_t len)
{
    for (size_t i = 0; i + 1 < len; i++)
        if (text[i] != ' ') return false;
    return len > 0 && text[len - 1] == '\n';
}

/* Says what is wrong with a file's beginning, or NULL; finds where the values begin. */
static const char *check_header(const char *file, size_t bytes, const struct npy_shape *shape,
                                size_t *begin)
{
    char wanted[128];
    if (bytes < PREFIX_BYTES || memcmp(file, "\x93NUMPY", 6) != 0) return "is no NumPy array";
    if (memcmp(file + 6, "\1\0", 2) != 0) return "is of another version of the format";
    size_t length = (uint8_t)file[8] | (size_t)(uint8_t)file[9] << 8;
    if (bytes - PREFIX_BYTES < length) return "is cut in its header";
    describe(shape, wanted, sizeof wanted);
    size_t len = strlen(wanted);
    if (length < len || memcmp(file + PREFIX_BYTES, wanted, len) != 0 ||
        !only_padding(file + PREFIX_BYTES + len, length - len))
        return "has another type, order or shape";
    *begin = PREFIX_BYTES + length;
    if (*begin % ALIGNMENT) return "has values that are not aligned";
    size_t need = npy_count(shape) * types[shape->type].bytes;
    if (bytes - *begin < need) return "is cut";
    return bytes - *begin > need ? "is too long" : NULL;
}

static err_t refuse(const char *path, const char *why, const struct npy *npy,
                    const struct npy_shape *shape)
{
    char wanted[128], header[HEADER_SHOWN + 1];
    describe(shape, wanted, sizeof wanted);
    size_t skip = MIN(npy->map_bytes, PREFIX_BYTES);
    quote((const char *)npy->map + skip, npy->map_bytes - skip, header);
    log_error("%s %s: it says \"%s\", wanted is \"%s\"", path, why, header, wanted);
    return ERR_MODEL_INVALID;
}

static err_t map_file(const char *path, struct npy *npy)
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO has no writer to wait for */
    if (file < 0 || fstat(file, &status) < 0) {
        log_error("%s: %s", path, strerror(errno));
        if (file >= 0) close(file);
        return ERR_MODEL_INVALID;
    }
    bool regular = S_ISREG(status.st_mode) && status.st_size > 0;
    void *map =
        regular ? mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, file, 0) : MAP_FAILED;
    close(file);
    if (map == MAP_FAILED) {
        log_error("%s: %s", path, regular ? strerror(errno) : "empty or no file");
        return ERR_MODEL_INVALID;
    }
    *npy = (struct npy){.map = map, .map_bytes = (size_t)status.st_size};
    return OK;
}

err_t npy_open(struct npy *npy, const char *folder, const char *name, const struct npy_shape *shape)
{
    char path[PATH_MAX];
    struct npy opened;
    size_t begin = 0;
    if (snprintf(path, sizeof path, "%s/weights/%s.npy", folder, name) >= (int)sizeof path) {
        log_error("the path of the model's folder is too long");
        return ERR_MODEL_INVALID;
    }
    err_t error = map_file(path, &opened);
    if (error) return error;
    const char *why = check_header(opened.map, opened.map_bytes, shape, &begin);
    if (why) {
        error = refuse(path, why, &opened, shape);
        npy_close(&opened);
        return error;
    }
    opened.values = (const char *)opened.map + begin;
    *npy = opened;
    return OK;
}

void npy_close(struct npy *npy)
{
    if (npy->map) munmap(npy->map, npy->map_bytes);
    *npy = (struct npy){0};
}
