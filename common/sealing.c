/*   v1 . 0123456789abcdef . base64( nonce (24) | ciphertext | tag (16) )
 *   │    └ BLAKE2b of the sealing key, 8 bytes
 *   └ the form; together with key id and tenant it is what the tag authenticates
 *
 * The nonce is random: 24 bytes are enough that none ever comes twice. */
#include "common/sealing.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"

#define KEY_BYTES   crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES   crypto_aead_xchacha20poly1305_ietf_ABYTES
#define BASE64      sodium_base64_VARIANT_ORIGINAL
#define BODY_AT     (SEALED_MARK_LEN + SEALED_ID_LEN + 1)

struct sealing_key {
    bool present;
    unsigned char bytes[KEY_BYTES];
    char id[SEALED_ID_LEN + 1];
};

struct sealer {
    struct sealing_key current, previous;
};

/* --- keys --- */

void sealing_key_make(char text[SEALING_KEY_SIZE])
{
    unsigned char key[KEY_BYTES];
    if (sodium_init() < 0)
        abort(); /* no source of randomness: a key must not come from elsewhere */
    randombytes_buf(key, sizeof(key));
    sodium_bin2base64(text, SEALING_KEY_SIZE, key, sizeof(key), BASE64);
    sodium_memzero(key, sizeof(key));
}

static void name_key(struct sealing_key *key)
{
    static const char purpose[] = "millrace agent key id";
    unsigned char hash[crypto_generichash_BYTES];
    crypto_generichash_state state;
    crypto_generichash_init(&state, key->bytes, KEY_BYTES, sizeof(hash));
    crypto_generichash_update(&state, (const unsigned char *)purpose, sizeof(purpose) - 1);
    crypto_generichash_final(&state, hash, sizeof(hash));
    sodium_bin2hex(key->id, sizeof(key->id), hash, SEALED_ID_LEN / 2);
}

static bool read_key(const char *name, const char *text, struct sealing_key *key)
{
    size_t len = 0;
    if (!*text) return true;
    bool read =
        !sodium_base642bin(key->bytes, KEY_BYTES, text, strlen(text), "\r\n", &len, NULL, BASE64) &&
        len == KEY_BYTES;
    if (!read) {
        log_error("setting %s is wrong: allowed are 32 bytes in base64 (openssl rand -base64 32)",
                  name);
        return false;
    }
    key->present = true;
    name_key(key);
    return true;
}

err_t sealer_new(const char *key, const char *previous, struct sealer **sealer)
{
    struct sealer *made = xcalloc(1, sizeof *made);
    bool read = sodium_init() >= 0 && read_key("AGENT_KMS_KEY", key, &made->current) &&
                read_key("AGENT_KMS_KEY_PREVIOUS", previous, &made->previous);
    if (read)
        *sealer = made;
    else
        sealer_destroy(&made);
    return read ? OK : ERR_BAD_SETTING;
}

void sealer_destroy(struct sealer **sealer)
{
    if (*sealer) sodium_memzero(*sealer, sizeof **sealer);
    free(*sealer);
    *sealer = NULL;
}

static const struct sealing_key *key_of(const struct sealer *sealer, struct slice sealed)
{
    struct slice id = {sealed.ptr + SEALED_MARK_LEN, SEALED_ID_LEN};
    const struct sealing_key *const keys[] = {&sealer->current, &sealer->previous};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i]->present && slice_equal(id, slice_of(keys[i]->id))) return keys[i];
    return NULL;
}

/* --- sealing --- */

/* What the tag authenticates beside the secret. */
static void bind_to(const struct sealing_key *key, struct slice tenant, struct buffer *out)
{
    buffer_printf(out, "%s%s.", SEALED_MARK, key->id);
    buffer_append_slice(out, tenant);
}

static void append_sealed(const struct sealing_key *key, const unsigned char *box, size_t len,
                          struct buffer *out)
{
    size_t size = sodium_base64_encoded_len(len, BASE64);
    buffer_printf(out, "%s%s.", SEALED_MARK, key->id);
    sodium_bin2base64(buffer_reserve(out, size), size, box, len, BASE64);
    out->len += size - 1; /* without its NUL */
}

err_t seal(const struct sealer *sealer, struct slice tenant, struct slice secret,
           struct buffer *sealed)
{
    const struct sealing_key *key = &sealer->current;
    size_t len = NONCE_BYTES + secret.len + TAG_BYTES;
    struct buffer bound = {0};
    if (!key->present) return ERR_KMS_KEY_MISSING;
    unsigned char *box = xmalloc(len);
    randombytes_buf(box, NONCE_BYTES);
    bind_to(key, tenant, &bound);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        box + NONCE_BYTES, NULL, (const unsigned char *)secret.ptr, secret.len,
        (const unsigned char *)bound.data, bound.len, NULL, box, key->bytes);
    append_sealed(key, box, len, sealed);
    buffer_free(&bound);
    free(box);
    return OK;
}

/* Decrypts in place. */
static bool open_box(const struct sealing_key *key, struct slice tenant, unsigned char *box,
                     size_t len, struct buffer *secret)
{
    unsigned long long opened = 0;
    struct buffer bound = {0};
    unsigned char *text = box + NONCE_BYTES;
    if (len < NONCE_BYTES + TAG_BYTES) return false;
    bind_to(key, tenant, &bound);
    int failed = crypto_aead_xchacha20poly1305_ietf_decrypt(
        text, &opened, NULL, text, len - NONCE_BYTES, (const unsigned char *)bound.data, bound.len,
        box, key->bytes);
    buffer_free(&bound);
    if (!failed) buffer_append(secret, text, opened);
    return !failed;
}

err_t unseal(const struct sealer *sealer, struct slice tenant, struct slice sealed,
             struct buffer *secret)
{
    size_t len = 0;
    if (!sealer->current.present && !sealer->previous.present) return ERR_KMS_KEY_MISSING;
    const struct sealing_key *key = is_sealed(sealed) ? key_of(sealer, sealed) : NULL;
    if (!key) return ERR_KMS_KEY_WRONG;
    struct slice body = {sealed.ptr + BODY_AT, sealed.len - BODY_AT};
    unsigned char *box = xmalloc(body.len);
    bool read = !sodium_base642bin(box, body.len, body.ptr, body.len, NULL, &len, NULL, BASE64) &&
                open_box(key, tenant, box, len, secret);
    sodium_memzero(box, body.len);
    free(box);
    return read ? OK : ERR_KMS_KEY_WRONG;
}

bool sealed_by_previous(const struct sealer *sealer, struct slice sealed)
{
    return is_sealed(sealed) && sealer->previous.present &&
           key_of(sealer, sealed) == &sealer->previous;
}
