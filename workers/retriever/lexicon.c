#include "workers/retriever/lexicon.h"

#include <stdlib.h>

#include "common/buffer.h"
#include "common/hash.h"

struct entry {
    uint32_t at, hash;
    uint8_t len;
};

struct lexicon {
    struct entry *entries;
    uint64_t *letters;
    size_t count, capacity, letters_capacity;
    uint32_t *slots; /* numbers from 1; 0 is free */
    size_t slot_count;
    struct buffer bytes;
};

uint32_t lexicon_hash(struct slice text)
{
    uint32_t hash = hash_fnv32(text);
    return hash ^ hash >> 15;
}

struct lexicon *lexicon_new(void)
{
    struct lexicon *lexicon = xcalloc(1, sizeof *lexicon);
    lexicon->slot_count = 1024;
    lexicon->slots = xcalloc(lexicon->slot_count, sizeof *lexicon->slots);
    return lexicon;
}

void lexicon_destroy(struct lexicon **lexicon)
{
    if (!*lexicon) return;
    free((*lexicon)->entries);
    free((*lexicon)->letters);
    free((*lexicon)->slots);
    buffer_free(&(*lexicon)->bytes);
    free(*lexicon);
    *lexicon = NULL;
}

struct slice lexicon_text(const struct lexicon *lexicon, uint32_t number)
{
    const struct entry *entry = &lexicon->entries[number];
    return (struct slice){lexicon->bytes.data + entry->at, entry->len};
}

/* The slot that holds the term, or the free one where it belongs. */
static uint32_t *slot_of(const struct lexicon *lexicon, struct slice term, uint32_t hash)
{
    for (size_t at = hash;; at++) {
        uint32_t *slot = &lexicon->slots[at & (lexicon->slot_count - 1)];
        if (!*slot) return slot;
        if (lexicon->entries[*slot - 1].hash != hash) continue;
        if (slice_equal(lexicon_text(lexicon, *slot - 1), term)) return slot;
    }
}

static void grow_slots(struct lexicon *lexicon)
{
    free(lexicon->slots);
    lexicon->slot_count *= 2;
    lexicon->slots = xcalloc(lexicon->slot_count, sizeof *lexicon->slots);
    size_t mask = lexicon->slot_count - 1;
    for (uint32_t i = 0; i < lexicon->count; i++) {
        size_t at = lexicon->entries[i].hash;
        while (lexicon->slots[at & mask]) at++;
        lexicon->slots[at & mask] = i + 1;
    }
}

uint64_t lexicon_letters_of(struct slice term)
{
    uint64_t letters = 0;
    for (size_t i = 0; i < term.len; i++) letters |= UINT64_C(1) << (term.ptr[i] & 63);
    return letters;
}

const uint64_t *lexicon_letters(const struct lexicon *lexicon)
{
    return lexicon->letters;
}

uint32_t lexicon_add(struct lexicon *lexicon, struct slice term)
{
    uint32_t hash = lexicon_hash(term), *slot = slot_of(lexicon, term, hash);
    if (*slot) return *slot - 1;
    if (lexicon->count * 2 >= lexicon->slot_count) {
        grow_slots(lexicon);
        slot = slot_of(lexicon, term, hash);
    }
    lexicon->entries =
        xgrow(lexicon->entries, &lexicon->capacity, lexicon->count + 1, sizeof *lexicon->entries);
    lexicon->letters = xgrow(lexicon->letters, &lexicon->letters_capacity, lexicon->count + 1,
                             sizeof *lexicon->letters);
    lexicon->entries[lexicon->count] =
        (struct entry){(uint32_t)lexicon->bytes.len, hash, (uint8_t)term.len};
    lexicon->letters[lexicon->count] = lexicon_letters_of(term);
    buffer_append_slice(&lexicon->bytes, term);
    *slot = (uint32_t)++lexicon->count;
    return *slot - 1;
}

uint32_t lexicon_find(const struct lexicon *lexicon, struct slice term)
{
    return *slot_of(lexicon, term, lexicon_hash(term)) -
           1; /* a free slot's 0 becomes LEXICON_NONE */
}

uint32_t lexicon_count(const struct lexicon *lexicon)
{
    return (uint32_t)lexicon->count;
}

size_t lexicon_bytes(const struct lexicon *lexicon)
{
    return lexicon->capacity * sizeof *lexicon->entries +
           lexicon->letters_capacity * sizeof *lexicon->letters +
           lexicon->slot_count * sizeof *lexicon->slots + lexicon->bytes.capacity;
}
