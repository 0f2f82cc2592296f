#include "workers/generator/incoming.h"

#include "common/text.h"

void incoming_free(struct incoming *incoming)
{
    buffer_free(&incoming->text);
}

bool incoming_is_empty(const struct incoming *incoming)
{
    return incoming->given == incoming->text.len;
}

size_t incoming_add(struct incoming *incoming, struct slice text, bool last)
{
    if (incoming_is_empty(incoming)) incoming->given = incoming->text.len = 0;
    size_t before = incoming->text.len;
    size_t repaired = text_join(&incoming->join, text, &incoming->text);
    if (last) repaired += text_join_end(&incoming->join, &incoming->text);
    incoming->bytes += incoming->text.len - before;
    incoming->ended = last;
    return repaired;
}

/* False while what has come may yet turn out to be repetition. */
static bool skip_repetition(struct incoming *incoming)
{
    size_t len;
    struct slice text = buffer_slice(&incoming->text);
    if (!repetition_settle(&incoming->repetition, text, incoming->ended, &len)) return false;
    incoming->given += len;
    incoming->bytes -= len;
    return true;
}

bool incoming_next(struct incoming *incoming, struct slice *piece)
{
    if (incoming_is_empty(incoming) || !skip_repetition(incoming)) return false;
    struct slice left = {incoming->text.data + incoming->given,
                         incoming->text.len - incoming->given};
    left.len = text_cut(left, INCOMING_PIECE_MAX);
    incoming->given += left.len;
    *piece = left;
    return left.len > 0;
}
