/* Every record and message there and back with random values; then what peers should not send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <msgpack.h>

#include "common/text.h"
#include "proto/codec.h"

enum { ROUNDS = 40, MUTATIONS = 4000, LIST_MAX = 3, TEXT_MAX = 40 };

/* --- random values, the same in every run --- */

static uint64_t seed;

static uint64_t random_number(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return seed >> 33;
}

static struct slice random_text(struct arena *arena)
{
    static const uint32_t letters[] = {'a', 'Z', ' ', '"', '\n', 0xE9, 0x20AC, 0x1F600};
    struct buffer text = {0};
    for (uint64_t n = random_number() % TEXT_MAX; n > 0; n--)
        text_append(letters[random_number() % ARRAY_LEN(letters)], &text);
    struct slice copy = arena_slice(arena, buffer_slice(&text));
    buffer_free(&text);
    return copy;
}

static struct slice random_bytes(struct arena *arena)
{
    size_t len = random_number() % TEXT_MAX;
    char *bytes = arena_alloc(arena, len + 1);
    for (size_t i = 0; i < len; i++) bytes[i] = (char)random_number();
    return (struct slice){bytes, len};
}

static void fill(const struct record_type *type, struct arena *arena, void *record);

static void fill_list(const struct record_type *type, struct arena *arena, struct list *list)
{
    list->count = random_number() % (LIST_MAX + 1);
    list->items = arena_alloc(arena, (list->count + 1) * type->size);
    for (size_t i = 0; i < list->count; i++)
        fill(type, arena, (char *)list->items + i * type->size);
}

static void fill_field(const struct field *field, struct arena *arena, void *at)
{
    switch (field->type) {
    case FIELD_BOOL: *(bool *)at = random_number() % 2; break;
    case FIELD_U64: *(uint64_t *)at = random_number() << random_number() % 34; break;
    case FIELD_F64: *(double *)at = (double)random_number() / 1000; break;
    case FIELD_TEXT:
    case FIELD_JSON: *(struct slice *)at = random_text(arena); break;
    case FIELD_BYTES: *(struct slice *)at = random_bytes(arena); break;
    case FIELD_RECORD: fill(field->record(), arena, at); break;
    case FIELD_LIST: fill_list(field->record(), arena, at); break;
    }
}

/* About two fields of three get a value. */
static void fill(const struct record_type *type, struct arena *arena, void *record)
{
    for (size_t i = 0; i < type->count; i++)
        if (random_number() % 3)
            fill_field(&type->fields[i], arena, (char *)record + type->fields[i].offset);
}

/* --- comparing: what a field means, not how it was filled --- */

static bool same(const struct record_type *type, const void *a, const void *b);

static bool same_list(const struct record_type *type, const struct list *a, const struct list *b)
{
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++)
        if (!same(type, (char *)a->items + i * type->size, (char *)b->items + i * type->size))
            return false;
    return true;
}

static bool same_field(const struct field *field, const void *a, const void *b)
{
    switch (field->type) {
    case FIELD_BOOL: return *(const bool *)a == *(const bool *)b;
    case FIELD_U64: return *(const uint64_t *)a == *(const uint64_t *)b;
    case FIELD_F64: return *(const double *)a == *(const double *)b;
    case FIELD_TEXT:
    case FIELD_JSON:
    case FIELD_BYTES: return slice_equal(*(const struct slice *)a, *(const struct slice *)b);
    case FIELD_RECORD: return same(field->record(), a, b);
    case FIELD_LIST: return same_list(field->record(), a, b);
    }
    return false;
}

static bool same(const struct record_type *type, const void *a, const void *b)
{
    for (size_t i = 0; i < type->count; i++) {
        const struct field *field = &type->fields[i];
        if (!same_field(field, (const char *)a + field->offset, (const char *)b + field->offset))
            return false;
    }
    return true;
}

static bool all_zero(const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((const char *)bytes)[i]) return false;
    return true;
}

/* --- everything there is --- */

static const struct record_type *(*const records[])(void) = {
#define RECORD_ENTRY(name, NAME) name##_type,
    RECORD_LIST(RECORD_ENTRY)
#undef RECORD_ENTRY
};

static const struct {
    enum message_type type;
    const struct record_type *(*fields)(void);
} messages[] = {
#define MESSAGE_ENTRY(number, NAME, name) {MESSAGE_##NAME, name##_message_type},
    MESSAGE_LIST(MESSAGE_ENTRY)
#undef MESSAGE_ENTRY
};

static void random_message(size_t index, struct arena *arena, struct message *message)
{
    memset(message, 0, sizeof *message);
    message->type = messages[index].type;
    message->job = random_number();
    message->attempt = random_number() % 10;
    fill(messages[index].fields(), arena, &message->hello);
}

static void records_come_back_as_they_went(void **state)
{
    (void)state;
    seed = 1;
    for (size_t i = 0; i < ARRAY_LEN(records); i++)
        for (size_t round = 0; round < ROUNDS; round++) {
            const struct record_type *type = records[i]();
            struct arena arena = {0};
            struct buffer frame = {0}, again = {0};
            void *sent = arena_alloc(&arena, type->size), *got = arena_alloc(&arena, type->size);
            fill(type, &arena, sent);
            record_encode(type, sent, &frame);
            assert_int_equal(record_decode(type, buffer_slice(&frame), &arena, got), OK);
            assert_true(same(type, sent, got));
            record_encode(type, got, &again);
            assert_true(slice_equal(buffer_slice(&frame), buffer_slice(&again)));
            buffer_free(&frame);
            buffer_free(&again);
            arena_free(&arena);
        }
}

static void messages_come_back_as_they_went(void **state)
{
    (void)state;
    seed = 2;
    for (size_t i = 0; i < ARRAY_LEN(messages); i++)
        for (size_t round = 0; round < ROUNDS; round++) {
            struct arena arena = {0};
            struct buffer frame = {0};
            struct message sent, got;
            random_message(i, &arena, &sent);
            message_encode(&sent, &frame);
            assert_int_equal(message_decode(buffer_slice(&frame), &arena, &got), OK);
            assert_int_equal(got.protocol, PROTOCOL_VERSION);
            assert_int_equal(got.type, sent.type);
            assert_int_equal(got.job, sent.job);
            assert_int_equal(got.attempt, sent.attempt);
            assert_true(same(messages[i].fields(), &sent.hello, &got.hello));
            buffer_free(&frame);
            arena_free(&arena);
        }
}

static void put_token(struct buffer *frame, uint64_t job, const char *text)
{
    struct message message = {.type = MESSAGE_TOK, .job = job, .attempt = 1};
    message.tok.seq = 1;
    message.tok.text = slice_of(text);
    message_encode(&message, frame);
}

static void headers_behind_each_other_are_read_in_turn(void **state)
{
    static const char *const texts[] = {"one", "", "three \xe2\x82\xac"};
    struct arena arena = {0};
    struct buffer frame = {0};
    struct message got;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) put_token(&frame, i + 1, texts[i]);
    struct slice left = buffer_slice(&frame);
    assert_int_equal(message_decode(left, &arena, &got), ERR_BAD_FRAME); /* not one header */
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(message_decode_next(&left, &arena, &got), OK);
        assert_int_equal(got.job, i + 1);
        assert_true(slice_equal(got.tok.text, slice_of(texts[i])));
    }
    assert_int_equal(left.len, 0);
    buffer_free(&frame);
    arena_free(&arena);
}

static void headers_behind_one_that_cannot_be_read_are_dropped(void **state)
{
    struct arena arena = {0};
    struct buffer frame = {0};
    struct message got;
    (void)state;
    put_token(&frame, 1, "one");
    buffer_append_char(&frame, (char)0xC1); /* no msgpack begins so */
    put_token(&frame, 2, "two");
    struct slice left = buffer_slice(&frame);
    assert_int_equal(message_decode_next(&left, &arena, &got), OK);
    assert_int_equal(message_decode_next(&left, &arena, &got), ERR_BAD_FRAME);
    assert_int_equal(left.len, 0);
    buffer_free(&frame);
    arena_free(&arena);
}

static void a_field_that_was_set_to_zero_is_told_from_one_that_is_absent(void **state)
{
    struct arena arena = {0};
    struct buffer frame = {0};
    struct agent sent = {.name = SLICE("a")}, got;
    uint64_t name_bit = 1u << 1, top_k_bit = 1u << 11;
    (void)state;
    assert_string_equal(agent_type()->fields[1].name, "name");
    assert_string_equal(agent_type()->fields[11].name, "top_k");
    sent.present = top_k_bit;
    record_encode(agent_type(), &sent, &frame);
    assert_int_equal(record_decode(agent_type(), buffer_slice(&frame), &arena, &got), OK);
    assert_int_equal(got.present, name_bit | top_k_bit);
    buffer_free(&frame);
    arena_free(&arena);
}

static void an_empty_frame_is_a_record_of_zeros(void **state)
{
    struct arena arena = {0};
    struct context got;
    struct message message;
    (void)state;
    memset(&got, 0xFF, sizeof got);
    assert_int_equal(record_decode(context_type(), (struct slice){0}, &arena, &got), OK);
    assert_true(all_zero(&got, sizeof got));
    assert_int_equal(message_decode((struct slice){0}, &arena, &message), ERR_BAD_FRAME);
    arena_free(&arena);
}

/* --- versions --- */

static void pack_header(msgpack_packer *out, size_t elements, uint64_t version, uint64_t type)
{
    msgpack_pack_array(out, elements);
    msgpack_pack_uint64(out, version);
    msgpack_pack_uint64(out, type);
    msgpack_pack_uint64(out, 7);
    msgpack_pack_uint64(out, 2);
}

static err_t decode_buffer(const msgpack_sbuffer *frame, struct message *message)
{
    struct arena arena = {0};
    err_t error = message_decode((struct slice){frame->data, frame->size}, &arena, message);
    arena_free(&arena);
    return error;
}

/* The same header with `more` elements behind those that we know. */
static void add_elements(const struct buffer *frame, size_t more, struct buffer *out)
{
    const unsigned char *bytes = (const unsigned char *)frame->data;
    bool is_long = bytes[0] == 0xDC;
    size_t count = is_long ? (size_t)bytes[1] << 8 | bytes[2] : bytes[0] & 0x0F;
    assert_true(is_long || (bytes[0] & 0xF0) == 0x90);
    buffer_printf(out, "\xdc%c%c", (int)((count + more) >> 8), (int)((count + more) & 0xFF));
    buffer_append(out, frame->data + (is_long ? 3 : 1), frame->len - (is_long ? 3 : 1));
    for (size_t i = 0; i < more; i++) buffer_append(out, "\x81\xa1x\x92\xc0\x01", 6);
}

static void elements_past_those_we_know_are_ignored(void **state)
{
    (void)state;
    seed = 7;
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        struct arena arena = {0};
        struct buffer frame = {0}, newer = {0};
        struct message sent, got;
        random_message(i, &arena, &sent);
        message_encode(&sent, &frame);
        add_elements(&frame, 1 + i % 3, &newer);
        assert_int_equal(message_decode(buffer_slice(&newer), &arena, &got), OK);
        assert_true(same(messages[i].fields(), &sent.hello, &got.hello));
        buffer_free(&frame);
        buffer_free(&newer);
        arena_free(&arena);
    }
}

static void elements_that_are_missing_are_zero(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        static const struct message zeros;
        msgpack_sbuffer frame;
        msgpack_packer packer;
        struct message got;
        msgpack_sbuffer_init(&frame);
        msgpack_packer_init(&packer, &frame, msgpack_sbuffer_write);
        pack_header(&packer, 4, PROTOCOL_VERSION, messages[i].type);
        memset(&got, 0xFF, sizeof got);
        assert_int_equal(decode_buffer(&frame, &got), OK);
        assert_int_equal(got.job, 7);
        assert_true(same(messages[i].fields(), &zeros.hello, &got.hello));
        msgpack_sbuffer_destroy(&frame);
    }
}

static void members_that_we_do_not_know_are_ignored_and_nil_is_absent(void **state)
{
    msgpack_sbuffer frame;
    msgpack_packer packer;
    struct arena arena = {0};
    struct usage got;
    (void)state;
    msgpack_sbuffer_init(&frame);
    msgpack_packer_init(&packer, &frame, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 4);
    msgpack_pack_str_with_body(&packer, "newer", 5);
    msgpack_pack_array(&packer, 0);
    msgpack_pack_uint64(&packer, 5); /* a key that is no name */
    msgpack_pack_uint64(&packer, 6);
    msgpack_pack_str_with_body(&packer, "total_tokens", 12);
    msgpack_pack_uint64(&packer, 9);
    msgpack_pack_str_with_body(&packer, "prompt_tokens", 13);
    msgpack_pack_nil(&packer);
    struct slice bytes = {frame.data, frame.size};
    assert_int_equal(record_decode(usage_type(), bytes, &arena, &got), OK);
    assert_int_equal(got.total_tokens, 9);
    assert_int_equal(got.prompt_tokens, 0);
    msgpack_sbuffer_destroy(&frame);
    arena_free(&arena);
}

static void an_unknown_version_tells_who_spoke(void **state)
{
    static const uint64_t versions[] = {0, PROTOCOL_VERSION + 1, UINT64_MAX};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        msgpack_sbuffer frame;
        msgpack_packer packer;
        struct message got;
        msgpack_sbuffer_init(&frame);
        msgpack_packer_init(&packer, &frame, msgpack_sbuffer_write);
        pack_header(&packer, 5, versions[i], MESSAGE_HELLO);
        msgpack_pack_uint64(&packer, 1); /* where version 1 has a text */
        assert_int_equal(decode_buffer(&frame, &got), ERR_PROTOCOL_VERSION);
        assert_int_equal(got.protocol, versions[i]);
        assert_int_equal(got.type, MESSAGE_HELLO);
        assert_int_equal(got.job, 7);
        assert_int_equal(got.attempt, 2);
        msgpack_sbuffer_destroy(&frame);
    }
}

/* --- what is refused --- */

static const struct {
    const char *what;
    struct slice bytes;
} refused_records[] = {
    {"not a map", SLICE("\x93\x01\x02\x03")},
    {"a lone integer", SLICE("\x05")},
    {"bytes behind the map", SLICE("\x80\x80")},
    {"never used by msgpack", SLICE("\xc1")},
    {"a text for a number", SLICE("\x81\xa2id\xa1x")},
    {"a negative number", SLICE("\x81\xa2id\xff")},
    {"a fraction for a whole number", SLICE("\x81\xa2id\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00")},
    {"a number for a text", SLICE("\x81\xa4name\x05")},
    {"bytes for a text", SLICE("\x81\xa4name\xc4\x01x")},
    {"text that is not UTF-8", SLICE("\x81\xa4name\xa2\xc3\x28")},
    {"text with a NUL", SLICE("\x81\xa4name\xa3"
                              "a\0b")},
    {"a number for a flag", SLICE("\x81\xaesemantic_cache\x01")},
    {"a map for a list", SLICE("\x81\xa9"
                               "fallbacks\x80")},
    {"a list of numbers for one of records", SLICE("\x81\xa9"
                                                   "fallbacks\x91\x05")},
    {"a list that claims four billion items", SLICE("\x81\xa9"
                                                    "fallbacks\xdd\xff\xff\xff\xff")},
    {"a map that claims four billion members", SLICE("\xdf\xff\xff\xff\xff")},
    {"a text that claims four billion bytes", SLICE("\x81\xa4name\xdb\xff\xff\xff\xff")},
};

static void wrong_records_are_refused_and_leave_zeros(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused_records); i++) {
        struct arena arena = {0};
        struct agent got;
        memset(&got, 0xFF, sizeof got);
        err_t error = record_decode(agent_type(), refused_records[i].bytes, &arena, &got);
        if (error != ERR_BAD_FRAME) print_error("accepted: %s\n", refused_records[i].what);
        assert_int_equal(error, ERR_BAD_FRAME);
        assert_true(all_zero(&got, sizeof got));
        arena_free(&arena);
    }
}

static const struct slice refused_messages[] = {
    SLICE("\x80"),                                                 /* no array */
    SLICE("\x90"),                                                 /* nothing in it */
    SLICE("\x93\x01\x03\x01"),                                     /* no attempt */
    SLICE("\x94\x01\x00\x01\x01"),                                 /* no such type */
    SLICE("\x94\x01\x1f\x01\x01"),                                 /* between the ranges */
    SLICE("\x94\x01\xcc\xff\x01\x01"),                             /* far beyond them */
    SLICE("\x94\x01\xcf\x00\x00\x00\x01\x00\x00\x00\x01\x01\x01"), /* 2^32 + 1 */
    SLICE("\x94\xa1"
          "1\x03\x01\x01"),             /* a version in words */
    SLICE("\x94\x01\x03\xff\x01"),      /* job -1 */
    SLICE("\x94\x01\x03\x01\x01\x00"),  /* a byte behind it */
    SLICE("\x95\x01\x02\x01\x01\xa1x"), /* epoch in words */
};

static void wrong_headers_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused_messages); i++) {
        struct arena arena = {0};
        struct message got;
        assert_int_equal(message_decode(refused_messages[i], &arena, &got), ERR_BAD_FRAME);
        arena_free(&arena);
    }
}

/* The frame lies at the very end of its memory, so that reading past it is seen. */
static err_t decode_exactly(const struct record_type *type, struct slice frame, void *record)
{
    struct arena arena = {0};
    char *bytes = xmalloc(frame.len ? frame.len : 1);
    if (frame.len) memcpy(bytes, frame.ptr, frame.len);
    err_t error = record_decode(type, (struct slice){bytes, frame.len}, &arena, record);
    arena_free(&arena);
    free(bytes);
    return error;
}

static void a_frame_cut_anywhere_is_refused(void **state)
{
    (void)state;
    seed = 3;
    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        const struct record_type *type = records[i]();
        struct arena arena = {0};
        struct buffer frame = {0};
        void *record = arena_alloc(&arena, type->size);
        fill(type, &arena, record);
        record_encode(type, record, &frame);
        for (size_t len = 1; len < frame.len; len++) {
            memset(record, 0xFF, type->size);
            struct slice cut = {frame.data, len};
            assert_int_equal(decode_exactly(type, cut, record), ERR_BAD_FRAME);
            assert_true(all_zero(record, type->size));
        }
        buffer_free(&frame);
        arena_free(&arena);
    }
}

static void a_message_cut_anywhere_is_refused(void **state)
{
    (void)state;
    seed = 4;
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        struct arena arena = {0};
        struct buffer frame = {0};
        struct message message;
        random_message(i, &arena, &message);
        message_encode(&message, &frame);
        for (size_t len = 0; len < frame.len; len++) {
            struct slice cut = {frame.data, len};
            assert_int_equal(message_decode(cut, &arena, &message), ERR_BAD_FRAME);
        }
        buffer_free(&frame);
        arena_free(&arena);
    }
}

static void garble(struct buffer *frame)
{
    for (uint64_t n = 1 + random_number() % 4; n > 0; n--)
        frame->data[random_number() % frame->len] = (char)random_number();
}

/* Whatever the bytes: refused with zeros, or read as something that can be sent again. */
static void garbled_records_never_hurt(void **state)
{
    (void)state;
    seed = 5;
    for (size_t round = 0; round < MUTATIONS; round++) {
        const struct record_type *type = records[round % ARRAY_LEN(records)]();
        struct arena arena = {0};
        struct buffer frame = {0}, again = {0};
        void *record = arena_alloc(&arena, type->size);
        fill(type, &arena, record);
        record_encode(type, record, &frame);
        garble(&frame);
        if (record_decode(type, buffer_slice(&frame), &arena, record))
            assert_true(all_zero(record, type->size));
        else
            record_encode(type, record, &again);
        buffer_free(&frame);
        buffer_free(&again);
        arena_free(&arena);
    }
}

static void garbled_messages_never_hurt(void **state)
{
    size_t read = 0;
    (void)state;
    seed = 6;
    for (size_t round = 0; round < MUTATIONS; round++) {
        struct arena arena = {0};
        struct buffer frame = {0}, again = {0};
        struct message message;
        random_message(round % ARRAY_LEN(messages), &arena, &message);
        message_encode(&message, &frame);
        garble(&frame);
        if (!message_decode(buffer_slice(&frame), &arena, &message)) {
            assert_string_not_equal(message_name(message.type), "?");
            message_encode(&message, &again);
            read++;
        }
        buffer_free(&frame);
        buffer_free(&again);
        arena_free(&arena);
    }
    assert_in_range(read, MUTATIONS / 100, MUTATIONS * 9 / 10); /* both ways were taken */
}

/* Maps in maps in maps: msgpack's own reader must stop before the stack does. */
static void nesting_without_end_is_refused(void **state)
{
    struct buffer frame = {0};
    struct agent agent;
    struct message message;
    struct arena arena = {0};
    (void)state;
    for (size_t i = 0; i < 200000; i++) buffer_append(&frame, "\x81\xa1x", 3);
    buffer_append(&frame, "\xc0", 1);
    assert_int_equal(decode_exactly(agent_type(), buffer_slice(&frame), &agent), ERR_BAD_FRAME);
    frame.len = 0;
    for (size_t i = 0; i < 200000; i++) buffer_append(&frame, "\x91", 1);
    assert_int_equal(message_decode(buffer_slice(&frame), &arena, &message), ERR_BAD_FRAME);
    buffer_free(&frame);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back_as_they_went),
        cmocka_unit_test(messages_come_back_as_they_went),
        cmocka_unit_test(headers_behind_each_other_are_read_in_turn),
        cmocka_unit_test(headers_behind_one_that_cannot_be_read_are_dropped),
        cmocka_unit_test(a_field_that_was_set_to_zero_is_told_from_one_that_is_absent),
        cmocka_unit_test(an_empty_frame_is_a_record_of_zeros),
        cmocka_unit_test(elements_past_those_we_know_are_ignored),
        cmocka_unit_test(elements_that_are_missing_are_zero),
        cmocka_unit_test(members_that_we_do_not_know_are_ignored_and_nil_is_absent),
        cmocka_unit_test(an_unknown_version_tells_who_spoke),
        cmocka_unit_test(wrong_records_are_refused_and_leave_zeros),
        cmocka_unit_test(wrong_headers_are_refused),
        cmocka_unit_test(a_frame_cut_anywhere_is_refused),
        cmocka_unit_test(a_message_cut_anywhere_is_refused),
        cmocka_unit_test(garbled_records_never_hurt),
        cmocka_unit_test(garbled_messages_never_hurt),
        cmocka_unit_test(nesting_without_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
