/* How many files, connections among them, the process may have open. */
#ifndef MILLRACE_COMMON_FILE_LIMIT_H
#define MILLRACE_COMMON_FILE_LIMIT_H

#include <stdint.h>

/* Raises the limit to `wanted` as far as the system lets it, and never lowers it. What it is then
 * is logged where that is less; `setting` names what wants so many. */
void file_limit_raise(uint64_t wanted, const char *setting);

#endif
