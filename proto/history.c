#include "proto/history.h"

void history_digest(const struct list *messages, char hex[SHA256_HEX + 1])
{
    const struct chat_message *message = messages->items;
    uint8_t digest[SHA256_BYTES];
    struct sha256 sha;
    sha256_init(&sha);
    for (size_t i = 0; i < messages->count; i++) {
        sha256_add_field(&sha, message[i].role);
        sha256_add_field(&sha, message[i].content);
    }
    sha256_end(&sha, digest);
    sha256_hex(digest, hex);
}
