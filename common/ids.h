/* Names that nobody else has: of requests, of operations. */
#ifndef MILLRACE_COMMON_IDS_H
#define MILLRACE_COMMON_IDS_H

#include "common/base.h"

#define ID_SIZE 33 /* 128 bits in hex and a NUL */

/* Writes `digits` (even, below ID_SIZE) random hex digits and a NUL. From the kernel's generator,
 * read in large pieces. */
void id_random(char *out, size_t digits);
/* Writes ID_SIZE - 1 hex digits, the wall time in milliseconds and then random ones: ids of about
 * one time are neighbours, so that an index of many touches few pages for the newest. */
void id_ordered(char out[ID_SIZE]);

#endif
