/* One keep-alive connection of the load, one question at a time. */
#ifndef MILLRACE_BENCH_LOAD_CLIENT_H
#define MILLRACE_BENCH_LOAD_CLIENT_H

#include "tests/bench/load_answer.h"

struct client {
    int fd; /* -1: closed */
    int epoll;
    bool busy;
    struct answer answer;
    uint64_t due_ns;   /* when the question should have been asked; times count from here */
    uint64_t first_ns; /* when its first token had arrived; 0 before */
    uint64_t last_ns;  /* likewise its last so far */
};

void client_init(struct client *client, int epoll);
/* Asks; connects first where it must. `request` is the whole HTTP request. False when the server
 * does not take it. */
bool client_ask(struct client *client, int port, struct slice request, uint64_t due_ns);
/* Reads what is there. True when the question is over: whole, broken or cut (answer_fault tells);
 * `busy` is false from then on. */
bool client_read(struct client *client);
void client_close(struct client *client);

#endif
