/* The lane protocol's messages, every field listed once. PROTOCOL.md tells what they are for.
 *
 * A message on the wire is [routing id][header][body frames...]; a token is [topic][header]. The
 * header is one flat msgpack array: [version, type, job, attempt, the type's fields in their
 * order]. A reader ignores elements past those it knows and takes missing ones as zero, so that a
 * field can be added at the end. */
#ifndef MILLRACE_PROTO_MESSAGES_H
#define MILLRACE_PROTO_MESSAGES_H

#include "proto/fields.h"
#include "proto/records.h"

#define PROTOCOL_VERSION 1

/* clang-format off */
/* type number, NAME, name: worker to gateway 1.., gateway to worker 32.., tokens 64 */
#define MESSAGE_LIST(M) \
    M( 1, HELLO,   hello)   M( 2, CREDIT, credit) M( 3, ACCEPT, accept) M( 4, HELD,    held) \
    M( 5, NEXT,    next)    M( 6, ANSWER, answer) M( 7, DONE,   done)   M( 8, FAIL,    fail) \
    M( 9, BEAT,    beat)    M(10, PENDING,pending)M(11, VERSION,version)M(12, DRAIN,   drain) \
    M(13, BYE,     bye) \
    M(32, WELCOME, welcome) M(33, JOB,    assign) M(34, CANCEL, cancel) M(35, TACK,    tack) \
    M(36, REPLAY,  replay)  M(37, PULSE,  pulse)  M(38, RESET,  reset) \
    M(64, TOK,     tok)

#define NO_FIELDS(F, N, R, L)

/* --- worker to gateway --- */
/* The first message of a session, sent once the gateway's subscription has reached the worker. */
#define HELLO_FIELDS(F, N, R, L) \
    F(TEXT, pool)        /* "embed", "retrieve", "generate" */ \
    F(TEXT, boot_id)     /* of this worker process, random */ \
    F(U64,  slots)       /* jobs it runs at once */ \
    F(TEXT, build)       /* program version, for people */ \
    F(TEXT, name)        /* "generator-1", for people */ \
    F(TEXT, serves)      /* what it offers, comma-separated, its default first: PROTOCOL.md */
#define CREDIT_FIELDS(F, N, R, L) \
    F(U64,  epoch)       /* the session's, from WELCOME */ \
    F(U64,  cumulative)  /* credits granted since the session began */ \
    F(BOOL, shared)      /* others want slots too: unused credits come back */
#define ACCEPT_FIELDS NO_FIELDS /* the job runs; every end of it tells that too */
#define HELD_FIELDS   NO_FIELDS /* the job waits here for a slot */
#define NEXT_FIELDS(F, N, R, L)   R(meta, meta)              /* + four body frames */
#define ANSWER_FIELDS(F, N, R, L) R(meta, meta)              /* + one result frame: the job ends here */
#define DONE_FIELDS(F, N, R, L) \
    F(U64,  count)       /* tokens sent for this attempt */ \
    R(meta, meta)        /* + one frame of tokens, where WELCOME takes_tails; so has FAIL */
#define FAIL_FIELDS(F, N, R, L) \
    F(U64,  count)       /* tokens sent for this attempt */ \
    F(BOOL, requeue)     /* ours: another worker may do it */ \
    F(BOOL, retryable)   /* the client's: the same request may succeed later */ \
    F(TEXT, code)        /* one of the codes in common/errors.h */ \
    F(TEXT, message)     /* for people; never a provider's own words */ \
    R(meta, meta)
/* HB of the worker: proof of life from its work loop. */
#define BEAT_FIELDS(F, N, R, L) \
    F(U64,  busy)        /* jobs running */ \
    F(U64,  progress)    /* rises with work done, so that a stuck worker shows */ \
    L(version_of, versions) /* what it has newest, where that changed of late */ \
    L(stream_at, streams)   /* last token sent of each running stream */ \
    L(count_of, counts)     /* of its own metrics, those that have risen */ \
    F(TEXT, trouble)        /* what keeps it from its work now, for the operator; "" where nothing does */
#define PENDING_FIELDS(F, N, R, L) \
    F(TEXT, kind)        /* "index": chunks wait for their vectors */ \
    F(U64,  portfolio)
#define VERSION_FIELDS(F, N, R, L) \
    F(TEXT, kind)        /* "portfolio" or "agent" */ \
    F(U64,  id) \
    F(U64,  version)
#define DRAIN_FIELDS NO_FIELDS /* no new jobs, please; what runs is finished */
#define BYE_FIELDS   NO_FIELDS

/* --- gateway to worker --- */
#define WELCOME_FIELDS(F, N, R, L) \
    F(TEXT, gateway)      /* the gateway's boot id */ \
    F(U64,  epoch) \
    F(U64,  heartbeat_ms) \
    F(U64,  liveness)     /* missed heartbeats after which a peer is dead */ \
    F(BOOL, takes_tails)  /* DONE and FAIL may bring the last tokens */
/* + four body frames, + the delivered text where resume_from > 0 */
#define JOB_FIELDS(F, N, R, L) \
    F(U64,  stage)        /* position in the itinerary */ \
    F(TEXT, kind)         /* one of KIND_LIST */ \
    F(U64,  remaining_ms) /* until the deadline */ \
    F(U64,  resume_from)  /* bytes of the answer that the gateway has */ \
    F(TEXT, prefix_by)    /* provider and model that wrote them */ \
    L(version_of, versions) /* newest that the gateway knows */ \
    F(TEXT, op)           /* operation id of a job that writes */ \
    F(BOOL, suspect)      /* workers died with this job */ \
    F(TEXT, trace)        /* the request id */ \
    F(U64,  upto)         /* first window: tokens that may be sent */ \
    F(U64,  upto_bytes)   /* first window: bytes that may be sent */
#define CANCEL_FIELDS NO_FIELDS
#define TACK_FIELDS(F, N, R, L) \
    F(U64,  got)          /* tokens received in order: the ring may forget them */ \
    F(U64,  upto)         /* tokens that may be sent in all */ \
    F(U64,  upto_bytes)   /* bytes of the answer that may be sent in all */
#define REPLAY_FIELDS(F, N, R, L) \
    F(U64,  from)         /* first sequence number wanted again */
/* HB of the gateway. */
#define PULSE_FIELDS(F, N, R, L) \
    F(U64,  queued)       /* jobs waiting in this lane */ \
    F(U64,  returned)     /* credits given back unused since the session began */
#define RESET_FIELDS NO_FIELDS /* end this session, start another */

/* --- tokens, XPUB to SUB --- */
#define TOK_FIELDS(F, N, R, L) \
    F(U64,  seq)          /* 1, 2, 3 ... within the attempt */ \
    F(U64,  at)           /* byte offset of the text in the answer */ \
    F(TEXT, text) \
    F(TEXT, by)           /* "provider/model" that writes; with an attempt's first token */
/* clang-format on */

#define MESSAGE_STRUCT(number, NAME, name) RECORD_STRUCT(name##_message, NAME##_FIELDS)
MESSAGE_LIST(MESSAGE_STRUCT)
#undef MESSAGE_STRUCT

enum message_type {
#define MESSAGE_NUMBER(number, NAME, name) MESSAGE_##NAME = number,
    MESSAGE_LIST(MESSAGE_NUMBER)
#undef MESSAGE_NUMBER
};

struct message {
    uint64_t protocol; /* the version that the sender speaks */
    enum message_type type;
    uint64_t job;
    uint64_t attempt;
    union {
#define MESSAGE_MEMBER(number, NAME, name) struct name##_message name;
        MESSAGE_LIST(MESSAGE_MEMBER)
#undef MESSAGE_MEMBER
    };
};

/* A message's name for people; "?" when unknown. */
const char *message_name(enum message_type type);

#endif
