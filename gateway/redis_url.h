/* redis://[[user]:password@]host[:port][/database], each part percent-decoded. Pure. */
#ifndef MILLRACE_GATEWAY_REDIS_URL_H
#define MILLRACE_GATEWAY_REDIS_URL_H

#include "common/errors.h"

#define REDIS_PORT 6379

struct redis_url {
    char *user, *password; /* NULL: none */
    char *host;
    unsigned port, database;
};

/* ERR_BAD_SETTING, with *why for people (it never holds the password), and nothing to free. */
err_t redis_url_parse(const char *text, struct redis_url *url, const char **why) MUST_USE;
void redis_url_free(struct redis_url *url);

#endif
