#include "tests/bench/load_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"

#define READ_BYTES (64 * 1024)

void client_init(struct client *client, int epoll)
{
    *client = (struct client){.fd = -1, .epoll = epoll};
}

void client_close(struct client *client)
{
    if (client->fd >= 0) close(client->fd);
    client->fd = -1;
    client->busy = false;
}

/* Connecting blocks: on loopback it is over at once, or refused. */
static bool client_connect(struct client *client, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0) return false;
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        epoll_ctl(client->epoll, EPOLL_CTL_ADD, client->fd, &event) == 0)
        return true;
    client_close(client);
    return false;
}

static bool client_send(struct client *client, struct slice request)
{
    return send(client->fd, request.ptr, request.len, MSG_NOSIGNAL) == (ssize_t)request.len;
}

/* A server may close an idle connection at any moment: that costs one new try, not an error. */
bool client_ask(struct client *client, int port, struct slice request, uint64_t due_ns)
{
    answer_reset(&client->answer);
    client->due_ns = due_ns;
    client->first_ns = client->last_ns = 0;
    bool fresh = client->fd < 0;
    if (fresh && !client_connect(client, port)) return false;
    client->busy = client_send(client, request);
    if (!client->busy) {
        client_close(client);
        client->busy = !fresh && client_connect(client, port) && client_send(client, request);
    }
    return client->busy;
}

bool client_read(struct client *client)
{
    static char bytes[READ_BYTES];
    struct answer *answer = &client->answer;
    ssize_t len = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (len < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    bool asked = client->busy;
    if (len <= 0) {
        client_close(client);
        return asked;
    }
    size_t tokens = answer->tokens;
    answer_feed(answer, bytes, (size_t)len);
    if (answer->tokens > tokens) client->last_ns = clock_ns();
    if (!client->first_ns) client->first_ns = client->last_ns;
    if (answer->part == PART_BROKEN) client_close(client);
    if (answer->part == PART_ENDED) client->busy = false;
    return asked && !client->busy;
}
