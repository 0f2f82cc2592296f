/* Written as the client takes it, so that a slow client holds its own text back and nothing else.
 */
#include "gateway/chat_stream.h"

#include "gateway/sse.h"

/* What came alone is an event of its own, however much came at once. Who joined late has what came
 * before in as few as it takes. */
static struct slice next_piece(const struct chat *chat)
{
    const struct follower *follower = &chat->follower;
    const struct buffer *pieces = &follower->generation->pieces;
    const uint32_t *ends = (const uint32_t *)(const void *)pieces->data;
    struct slice text = chat_text(chat);
    bool known = follower->pieces_written < pieces->len / sizeof(*ends);
    size_t end = known ? ends[follower->pieces_written] : text.len;
    return (struct slice){text.ptr + follower->written, end - follower->written};
}

/* Where nobody else reads them, pieces that are written are forgotten. */
static void piece_taken(struct follower *follower)
{
    struct generation *generation = follower->generation;
    size_t count = generation->pieces.len / sizeof(uint32_t);
    if (follower->pieces_written < count) follower->pieces_written++;
    if (follower->pieces_written < count || generation->wanted != 1 ||
        generation->state != GENERATION_MAKING)
        return;
    generation->pieces.len = 0;
    follower->pieces_written = 0;
}

/* One event from the front of the answer; 0 when it does not fit or there is no text. */
static size_t write_event(struct chat *chat, char *out, size_t max)
{
    struct slice piece = next_piece(chat), rest = piece;
    size_t event = piece.len ? chat->shape->text(chat, &rest, out, max) : 0;
    if (!event) return 0;
    chat->follower.written += piece.len - rest.len;
    if (!rest.len) piece_taken(&chat->follower);
    return event;
}

/* Events for as long as they fit. */
static size_t write_events(struct chat *chat, char *out, size_t max)
{
    size_t used = 0, event;
    while ((event = write_event(chat, out + used, max - used))) used += event;
    return used;
}

/* Moves what fits from the front of `from`, of which *written went before. */
static size_t write_some(struct buffer *from, size_t *written, char *out, size_t max)
{
    size_t len = MIN(from->len - *written, max);
    if (len) memcpy(out, from->data + *written, len);
    *written += len;
    return len;
}

static size_t write_staged(struct chat *chat, char *out, size_t max)
{
    size_t len = write_some(&chat->staged, &chat->staged_written, out, max);
    if (chat->staged_written < chat->staged.len) return len;
    buffer_free(&chat->staged);
    chat->staged_written = 0;
    return len;
}

/* An event may be larger than all the room there is: then it goes in parts. */
static size_t write_in_parts(struct chat *chat, char *out, size_t max)
{
    char *room = buffer_reserve(&chat->staged, SSE_EVENT_BYTES_MAX);
    chat->staged.len = write_event(chat, room, SSE_EVENT_BYTES_MAX);
    return write_staged(chat, out, max);
}

static bool has_text(const struct chat *chat)
{
    return chat->follower.written < chat_text(chat).len;
}

static ssize_t chat_read(void *context, char *out, size_t max)
{
    struct chat *chat = context;
    size_t before = chat->follower.written;
    size_t used = write_staged(chat, out, max);
    if (!chat->staged.len) used += write_events(chat, out + used, max - used);
    if (!used && has_text(chat)) used = write_in_parts(chat, out, max);
    if (chat->follower.written > before) generation_taken(&chat->follower, chat->follower.written);
    if (chat->staged.len || has_text(chat) || !chat->finished) return (ssize_t)used;
    used += write_some(&chat->tail, &chat->tail_written, out + used, max - used);
    return used ? (ssize_t)used : HTTP_STREAM_END;
}

void chat_stream_open(struct chat *chat)
{
    chat->opened = true;
    if (chat->shape->open) chat->shape->open(chat, &chat->staged);
    http_stream(chat->http, chat_read, chat);
}
