/* Random names: of requests, of operations. */
#ifndef MILLRACE_COMMON_IDS_H
#define MILLRACE_COMMON_IDS_H

#include "common/base.h"

#define ID_SIZE 33 /* 128 bits in hex and a NUL */

/* Writes `digits` (even, below ID_SIZE) random hex digits and a NUL. From the kernel's generator,
 * read in large pieces. */
void id_random(char *out, size_t digits);

#endif
