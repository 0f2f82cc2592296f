/* Arrays of the embedding model, one a file in NumPy's format (NEP 1), mapped read-only so that
 * several processes share one copy in memory.
 *
 * MODEL_DIR holds what the model's package has, unpacked and otherwise unchanged:
 *
 *     sp.model            the pieces that text is cut into
 *     weights/NAME.npy    an array each, the members of weights.npz
 *
 * The files are hostile input until they have been looked at. What an array has to be is known
 * beforehand, so nothing is parsed: the header must be, to the letter, the one that NumPy writes
 * for that type and shape in row order, and the values must fill the rest of the file. */
#ifndef MILLRACE_EMBEDDER_NPY_H
#define MILLRACE_EMBEDDER_NPY_H

#include "common/errors.h"

struct npy {
    const void *values; /* aligned to 64 bytes */
    void *map;
    size_t map_bytes;
};

enum npy_type { NPY_UINT8, NPY_FLOAT32, NPY_FLOAT64 };

/* What an array has to be. A scalar has no dimensions, a vector's second one is 0. */
struct npy_shape {
    enum npy_type type;
    size_t rows, columns;
};

size_t npy_count(const struct npy_shape *shape); /* of values */

/* Maps FOLDER/weights/NAME.npy. ERR_MODEL_INVALID if it is missing or anything else than `shape`
 * says; the reason is logged. A file that is cut later, while it is mapped, ends the process when
 * the missing part is read (SIGBUS): replace model files, never write into them. */
err_t npy_open(struct npy *npy, const char *folder, const char *name,
               const struct npy_shape *shape) MUST_USE;
void npy_close(struct npy *npy);

#endif
