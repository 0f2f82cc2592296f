/* What a scripted provider is told to do, in the name of the model that it is asked for:
 *
 *     script+length=400+piece=12+first_ms=50+gap_ms=5+fault=cut+at=100
 *
 * Words are separated by '+' or by a space. Characters are counted, not bytes. */
#ifndef MILLRACE_TESTS_FAKES_PROVIDER_SCRIPT_H
#define MILLRACE_TESTS_FAKES_PROVIDER_SCRIPT_H

#include "common/arena.h"

#define NEVER UINT64_MAX

/* clang-format off */
/* N(member, default): a number; T(member): a word, NULL by default. */
#define PROVIDER_SCRIPT_LIST(N, T) \
    N(seed,        0)     /* of the text */ \
    N(length,      200)   /* characters in all */ \
    N(piece,       12)    /* characters a token */ \
    N(head_ms,     0)     /* before the response's head */ \
    N(first_ms,    0)     /* before the first token, or a whole answer */ \
    N(gap_ms,      0)     /* between two tokens; 0: as fast as they are taken */ \
    N(echo,        0)     /* the text is the last message of the user */ \
    T(text)               /* the text is this, with '_' for a space */ \
    N(status,      0)     /* an error of this status instead of an answer */ \
    N(retry_after, 0)     /* its Retry-After, in seconds */ \
    T(fault)              /* what goes wrong: provider_faults.c */ \
    N(at,          NEVER) /* where it does, in characters; else in the middle */ \
    N(fails,       NEVER) /* only so many requests of this model meet status or fault */ \
    T(finish)             /* length, content_filter: why the answer ends; else stop */ \
    T(frame)              /* crlf, cr, comment, multi, bom: how events are written */ \
    T(key)                /* the key that the request must have */ \
    N(dim,         8)     /* dimensions of embeddings, unless the request says */
/* clang-format on */

struct provider_script {
#define SCRIPT_NUMBER(member, ...) uint64_t member;
#define SCRIPT_TEXT(member)        const char *member;
    PROVIDER_SCRIPT_LIST(SCRIPT_NUMBER, SCRIPT_TEXT)
#undef SCRIPT_NUMBER
#undef SCRIPT_TEXT
};

/* Texts lie in the arena. False where the name holds a word that is not in the list: the test that
 * wrote it is wrong. A name that does not begin with "script" is a script without words. */
bool provider_script_read(const char *model, struct arena *arena, struct provider_script *script);

#endif
