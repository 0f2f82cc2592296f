#include "gateway/body.h"

#include <stdlib.h>

#include "gateway/body_frames.h"
#include "proto/codec.h"

struct body *body_new(void)
{
    struct body *body = xcalloc(1, sizeof(*body));
    body->references = 1;
    for (int i = 0; i < FRAME_COUNT; i++) zmq_msg_init(&body->frames[i]);
    return body;
}

void body_set(struct body *body, enum frame frame, struct slice bytes)
{
    zmq_msg_close(&body->frames[frame]);
    if (zmq_msg_init_size(&body->frames[frame], bytes.len)) abort();
    if (bytes.len) memcpy(zmq_msg_data(&body->frames[frame]), bytes.ptr, bytes.len);
}

void body_encode(struct body *body, enum frame frame, const struct record_type *type,
                 const void *record)
{
    struct buffer bytes = {0};
    record_encode(type, record, &bytes);
    body_set(body, frame, buffer_slice(&bytes));
    buffer_free(&bytes);
}

struct slice body_frame(const struct body *body, enum frame frame)
{
    zmq_msg_t *message = (zmq_msg_t *)&body->frames[frame];
    return (struct slice){zmq_msg_data(message), zmq_msg_size(message)};
}

size_t body_bytes(const struct body *body)
{
    size_t bytes = 0;
    for (int i = 0; i < FRAME_COUNT; i++) bytes += zmq_msg_size(&body->frames[i]);
    return bytes;
}

struct body *body_ref(struct body *body)
{
    body->references++;
    return body;
}

void body_unref(struct body **body)
{
    struct body *gone = *body;
    *body = NULL;
    if (!gone || --gone->references) return;
    for (int i = 0; i < FRAME_COUNT; i++) zmq_msg_close(&gone->frames[i]);
    free(gone);
}
