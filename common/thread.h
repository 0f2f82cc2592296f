/* Helper threads. Signals are the loop's affair: no helper takes one. */
#ifndef MILLRACE_COMMON_THREAD_H
#define MILLRACE_COMMON_THREAD_H

#include <pthread.h>

#include "common/base.h"

/* False when there is no room for another. */
bool thread_start(pthread_t *thread, void *(*run)(void *context), void *context) MUST_USE;

#endif
