/* Keys of providers at rest: XChaCha20-Poly1305 (libsodium) under AGENT_KMS_KEY. A sealed key is
 * text, "v1.<key id>.<base64 of nonce and ciphertext>"; the key id (of the sealing key's hash)
 * tells which key opens it, and the tenant is authenticated with it, so that a sealed key copied to
 * another tenant does not open. */
#ifndef MILLRACE_COMMON_SEALING_H
#define MILLRACE_COMMON_SEALING_H

#include "common/buffer.h"
#include "common/errors.h"

/* The form: mark, key id (lower-case hex), a dot, base64. */
#define SEALED_MARK     "v1."
#define SEALED_MARK_LEN (sizeof(SEALED_MARK) - 1)
#define SEALED_ID_LEN   16

/* Bytes of a key as the setting has it, NUL included. */
#define SEALING_KEY_SIZE 45

/* Writes a fresh random key, as sealer_new takes it. */
void sealing_key_make(char text[SEALING_KEY_SIZE]);

struct sealer;

/* `key`: 32 bytes in base64, "" for none; `previous` likewise, which opens and never seals.
 * ERR_BAD_SETTING (logged, without the value) for anything else. */
err_t sealer_new(const char *key, const char *previous, struct sealer **sealer) MUST_USE;
/* Wipes the keys. */
void sealer_destroy(struct sealer **sealer);
/* True for what sealing made, by its form. Needs no libsodium. */
bool is_sealed(struct slice text);
/* Appends the sealed text. ERR_KMS_KEY_MISSING. */
err_t seal(const struct sealer *sealer, struct slice tenant, struct slice secret,
           struct buffer *sealed) MUST_USE;
/* Appends the secret. ERR_KMS_KEY_MISSING (no key at all), ERR_KMS_KEY_WRONG (not by these keys, or
 * tampered with). */
err_t unseal(const struct sealer *sealer, struct slice tenant, struct slice sealed,
             struct buffer *secret) MUST_USE;
/* True when it was sealed by the key before, and should be sealed anew. */
bool sealed_by_previous(const struct sealer *sealer, struct slice sealed);

#endif
