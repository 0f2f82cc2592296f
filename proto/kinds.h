/* The kinds of jobs, the pools they visit in order, and what travels.
 *
 * E, R, G are the pools. A kind whose last stage is G ends in tokens and DONE; the others end in
 * ANSWER with one result frame (the record in the last column). Kinds that write carry an operation
 * id and are stored once however often they are delivered; claim.renew needs none, since it says
 * the same however often it is delivered. An agent that brings a provider's key visits the generator
 * first, which seals it; any other goes to the store at once ("R"). */
#ifndef MILLRACE_PROTO_KINDS_H
#define MILLRACE_PROTO_KINDS_H

#include "common/base.h"

enum pool { POOL_EMBED, POOL_RETRIEVE, POOL_GENERATE, POOL_COUNT };

/* "embed", "retrieve", "generate" */
const char *pool_name(enum pool pool);
/* The pool of that name, or POOL_COUNT. */
enum pool pool_find(struct slice name);
/* The pool of an itinerary's letter, 'E', 'R' or 'G'. */
enum pool pool_of_stage(char letter);

/* clang-format off */
#define KIND_LIST(K) \
    /*  KIND               name                stages  writes  request        result */ \
    K(CHAT,             "chat",             "ERG",  false,  chat_request,  ready_answer) \
    K(SEARCH,           "search",           "ER",   false,  chat_request,  search_results) \
    K(INDEX,            "index",            "RER",  true,   select,        documents) \
    K(INDEX_RELEASE,    "index.release",    "R",    true,   release,       released) \
    K(EMBED,            "embed",            "E",    false,  embed_request, embedding) \
    K(HISTORY,          "history",          "R",    false,  select,        history) \
    K(CLAIM_TAKE,       "claim.take",       "R",    true,   claim_request, claimed) \
    K(CLAIM_RENEW,      "claim.renew",      "R",    false,  renewal,       renewed) \
    K(RECORD,           "record",           "R",    true,   turn,          recorded) \
    K(ANSWER_LIST,      "answer.list",      "R",    false,  answer_select, similar_answers) \
    K(CONVERSATION_GET, "conversation.get", "R",    false,  select,        conversation) \
    K(AGENT_GET,        "agent.get",        "R",    false,  select,        agent) \
    K(AGENT_LIST,       "agent.list",       "R",    false,  select,        agents) \
    K(AGENT_CREATE,     "agent.create",     "GR",   true,   put_agent,     agent) \
    K(AGENT_UPDATE,     "agent.update",     "GR",   true,   put_agent,     agent) \
    K(AGENT_DELETE,     "agent.delete",     "R",    true,   select,        agent) \
    K(AGENT_INVALIDATE, "agent.invalidate", "R",    true,   select,        agent) \
    K(PORTFOLIO_GET,    "portfolio.get",    "R",    false,  select,        portfolio) \
    K(PORTFOLIO_LIST,   "portfolio.list",   "R",    false,  select,        portfolios) \
    K(PORTFOLIO_CREATE, "portfolio.create", "R",    true,   put_portfolio, portfolio) \
    K(PORTFOLIO_UPDATE, "portfolio.update", "R",    true,   put_portfolio, portfolio) \
    K(PORTFOLIO_REEMBED, "portfolio.reembed", "R",  true,   put_portfolio, portfolio) \
    K(PORTFOLIO_INVALIDATE, "portfolio.invalidate", "R", true, select,     portfolio) \
    K(PORTFOLIO_DELETE, "portfolio.delete", "R",    true,   select,        portfolio) \
    K(DOCUMENT_GET,     "document.get",     "R",    false,  select,        document) \
    K(DOCUMENT_LIST,    "document.list",    "R",    false,  select,        documents) \
    K(DOCUMENT_PUT,     "document.put",     "R",    true,   put_documents, documents) \
    K(DOCUMENT_UPDATE,  "document.update",  "R",    true,   put_documents, documents) \
    K(DOCUMENT_DELETE,  "document.delete",  "R",    true,   select,        document)
/* clang-format on */

enum kind {
#define KIND_NAME(KIND, ...) KIND_##KIND,
    KIND_LIST(KIND_NAME)
#undef KIND_NAME
        KIND_COUNT
};

struct record_type;

struct kind_info {
    const char *name;
    const char *stages; /* letters of the pools */
    bool writes;
    const struct record_type *(*request)(void);
    const struct record_type *(*result)(void);
};

const struct kind_info *kind_info(enum kind kind);
/* The kind of that name, or KIND_COUNT. */
enum kind kind_find(struct slice name);

#endif
