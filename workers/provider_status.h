/* What a provider's HTTP status means to us, whatever it is asked for. Pure. */
#ifndef MILLRACE_WORKERS_PROVIDER_STATUS_H
#define MILLRACE_WORKERS_PROVIDER_STATUS_H

#include "common/errors.h"

/* ERR_PROVIDER_* of a status other than 2xx. */
err_t provider_status_error(int status);

#endif
