/* The providers of answers that an agent may name. */
#ifndef MILLRACE_COMMON_PROVIDERS_H
#define MILLRACE_COMMON_PROVIDERS_H

#include "common/base.h"

#define PROVIDER_NAMES "extractive, openai, mistral, anthropic, openai-compatible"

bool provider_known(struct slice name);
/* True if an agent must say where it is and which model it has: nothing is usual there. */
bool provider_needs_address(struct slice name);

#endif
