/* Finding a portfolio by its id or name. */
#ifndef MILLRACE_CLI_PORTFOLIO_H
#define MILLRACE_CLI_PORTFOLIO_H

#include "deploy/cli/client.h"

/* The id of the portfolio that `which` names: digits are an id, anything else is a name. With
 * `create` one that no portfolio has is given to a new one. False (said) when there is none. */
bool portfolio_find(struct client *client, const char *which, bool create, uint64_t *id) MUST_USE;

#endif
