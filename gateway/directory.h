/* What the gateway knows of agents and portfolios, kept for AGENT_CONFIG_TTL_MS or until a change
 * is announced.
 *
 *     directory_ask ─┬─ known and fresh ──────────────────────────▶ at once
 *                    └─ agent.get / portfolio.get job ─┬─ found ──▶ all that asked meanwhile
 *                       (one for all who ask)          ├─ gone ───▶ its error
 *                                                      └─ store away ─▶ the last known, from memory
 *                                                         or from Redis (last_known.h), else its
 * error
 *
 * What one tenant's id is answered with is told to that tenant alone; another's question about the
 * same id goes to the store, which knows of none. A record is counted by reference: who holds it
 * may read it, however old it gets. */
#ifndef MILLRACE_GATEWAY_DIRECTORY_H
#define MILLRACE_GATEWAY_DIRECTORY_H

#include <event2/event.h>

#include "common/settings.h"
#include "gateway/lane_io.h"
#include "gateway/redis_link.h"
#include "proto/records.h"

struct directory;
struct config;

struct directory *directory_new(const struct settings *settings, struct lane_io *lanes,
                                struct redis_link *redis);
void directory_destroy(struct directory **directory);

/* `config` is NULL when there is an error; else the receiver owns one reference. */
typedef void directory_cb(void *context, err_t error, struct config *config);

/* Asks for a tenant's agent (KIND_AGENT_GET) or portfolio (KIND_PORTFOLIO_GET). Calls back exactly
 * once, perhaps before it returns. */
void directory_ask(struct directory *directory, struct slice tenant, enum kind kind, uint64_t id,
                   directory_cb *callback, void *context);

const struct agent *config_agent(const struct config *config);
const struct portfolio *config_portfolio(const struct config *config);
void config_unref(struct config **config);

/* The newest version heard of; 0 if unknown. */
uint64_t directory_version(const struct directory *directory, enum kind kind, uint64_t id);
/* Something has a new version ("agent" or "portfolio"; "embedder": a portfolio that has another one
 * from that version on). An agent is asked for again, and so is a portfolio with another embedder;
 * what else the gateway needs of one does not change with its content. */
void directory_changed(struct directory *directory, const struct version_of *version);
/* It was changed or deleted through this gateway: nothing of it is kept. */
void directory_forget(struct directory *directory, enum kind kind, uint64_t id);

#endif
