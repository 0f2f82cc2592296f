/* The text that a scripted generator writes: a pure function of a seed, so that whoever knows the
 * seed can check an answer to the byte. scripted.py has the same function for clients. */
#ifndef MILLRACE_TESTS_SUPPORT_SCRIPTED_TEXT_H
#define MILLRACE_TESTS_SUPPORT_SCRIPTED_TEXT_H

#include "common/buffer.h"

/* Appends characters `from` to `to` (not included). The first 16 are the seed itself in
 * hexadecimal, the others are drawn from 64 characters of one to four bytes, some of which JSON
 * escapes. */
void scripted_text(uint64_t seed, uint64_t from, uint64_t to, struct buffer *out);

#endif
