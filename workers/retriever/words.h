/* The words that a text is indexed and asked by. Identifiers come whole and by part:
 *
 *     max_connections       max, connections, maxconnections
 *     apt-get, HttpServer   apt, get, aptget; http, server, httpserver
 *     --force-all, -i       force, all, forceall, --forceall; -i
 *     15.3, 1,000           15.3; 1000
 *     configu‐\n  ration    configuration (hyphenated by a typesetter)
 *
 * so that all ways of writing one meet. Stop words are left out, but for those written in capitals
 * among small letters, as SQL's are: WHERE is kept as it is. */
#ifndef MILLRACE_RETRIEVER_WORDS_H
#define MILLRACE_RETRIEVER_WORDS_H

#include "common/language.h"

enum { WORD_BYTES_MAX = 64 }; /* longer ones are left out: they are no words */

struct word {
    struct slice text; /* folded, or as written if literal */
    bool literal;      /* a term as it is: not to be stemmed */
};

/* Calls `each` for every word; its text is valid during the call. */
void words_scan(const struct language *language, struct slice text,
                void (*each)(void *context, const struct word *word), void *context);

#endif
