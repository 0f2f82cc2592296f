/* What a provider's HTTP status means to us, and what follows from a failure, whatever was asked
 * for. Pure. */
#ifndef MILLRACE_WORKERS_PROVIDER_STATUS_H
#define MILLRACE_WORKERS_PROVIDER_STATUS_H

#include "common/buffer.h"
#include "common/errors.h"

/* ERR_PROVIDER_* of a status other than 2xx. */
err_t provider_status_error(int status);

/* It may work at the next try, before anything was received. */
bool provider_failure_passes(err_t error);
/* It counts for the provider's circuit breaker: not what is wrong with a request or its key, and
 * not that there were too many. */
bool provider_failure_counts(err_t error);
/* Adds "openai: provider_failed" to a list for the operator, unless it is in there. */
void provider_trouble_add(const char *provider, err_t error, struct buffer *list);

#endif
