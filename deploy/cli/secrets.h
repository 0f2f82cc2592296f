/* Secrets of one local system, DIR/secrets/NAME: the folder is the owner's alone (0700), each file
 * too (0600). */
#ifndef MILLRACE_CLI_SECRETS_H
#define MILLRACE_CLI_SECRETS_H

#include "common/base.h"

#define SECRET_SIZE         128
#define SECRET_KMS          "agent_kms_key"
#define SECRET_KMS_PREVIOUS "agent_kms_key_previous"

/* Reads a secret without the line end; "" where there is none. False (said to standard error) when
 * it cannot be read. */
bool secret_read(const char *folder, const char *name, char text[SECRET_SIZE]) MUST_USE;
/* The same, but where there is none a fresh key is made and kept, whole or not at all. */
bool secret_read_or_make(const char *folder, const char *name, char text[SECRET_SIZE]) MUST_USE;

#endif
