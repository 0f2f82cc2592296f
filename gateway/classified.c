#include "gateway/classified.h"

#include <stdlib.h>

#include "common/hash.h"

enum { PLACES = 1024, MESSAGE_BYTES_MAX = 256 }; /* longer ones are rarely asked twice */

struct place {
    char *message; /* NULL: empty */
    size_t len;
    const struct language *asked, *fallback;
    struct classification found;
};

struct classified {
    struct place places[PLACES];
};

static struct place *place_of(struct classified *classified, struct slice message)
{
    uint64_t hash = hash_fnv64(message, 0);
    return &classified->places[(hash ^ hash >> 32) % PLACES];
}

static bool is_it(const struct place *place, struct slice message, const struct language *asked,
                  const struct language *fallback)
{
    return place->message && place->len == message.len && place->asked == asked &&
           place->fallback == fallback && !memcmp(place->message, message.ptr, message.len);
}

static struct classification classify(struct slice message, const struct language *asked,
                                      const struct language *fallback)
{
    const struct language *language = asked ? asked : language_detect(message, fallback);
    return (struct classification){language, complexity_classify(language, message)};
}

struct classification classified_find(struct classified *classified, struct slice message,
                                      const struct language *asked, const struct language *fallback)
{
    if (message.len > MESSAGE_BYTES_MAX) return classify(message, asked, fallback);
    struct place *place = place_of(classified, message);
    if (is_it(place, message, asked, fallback)) return place->found;
    free(place->message);
    *place = (struct place){.message = xstrndup(message.ptr, message.len),
                            .len = message.len,
                            .asked = asked,
                            .fallback = fallback,
                            .found = classify(message, asked, fallback)};
    return place->found;
}

struct classified *classified_new(void)
{
    return xcalloc(1, sizeof(struct classified));
}

void classified_destroy(struct classified **classified)
{
    struct classified *old = *classified;
    *classified = NULL;
    if (!old) return;
    for (size_t i = 0; i < PLACES; i++) free(old->places[i].message);
    free(old);
}
