/* The lanes' core alone: how many events a second it takes, with nothing around it. Each job is
 * five events: submit, ACCEPT, a token, DONE, and the CREDIT that its slot brings back. */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "gateway/lane.h"

#define SLOTS   64
#define JOBS    400000
#define SESSION 1

static const struct lane_limits limits = {
    .boot_id = "bench",
    .heartbeat_ms = 500,
    .liveness = 3,
    .accept_timeout_ms = 250,
    .jobs_max = 1000,
    .bytes_max = 1 << 20,
    .age_max_ms = 10000,
    .requeues_max = 3,
    .window_tokens = 256,
    .window_bytes = 65536,
    .answer_bytes_max = 1 << 20,
    .no_worker_ms = 5000,
};

static uint64_t events;

static void step(struct lanes *lanes, struct lane_event event)
{
    size_t count;
    if (lane_step(lanes, &event, clock_us())) abort();
    const struct lane_action *actions = lane_actions(lanes, &count);
    for (size_t i = 0; i < count; i++)
        if (actions[i].type == ACTION_END) lane_job_forget(lanes, actions[i].job);
    lane_actions_clear(lanes);
    events++;
}

static void hear(struct lanes *lanes, struct message message)
{
    step(lanes,
         (struct lane_event){.type = message.type == MESSAGE_TOK ? EVENT_TOKEN : EVENT_MESSAGE,
                             .pool = POOL_GENERATE,
                             .session = SESSION,
                             .message = &message});
}

static void one_job(struct lanes *lanes, uint64_t job)
{
    struct lane_job_spec spec = {.kind = KIND_CHAT,
                                 .stages = "G",
                                 .body = body_new(),
                                 .timeout_ms = 60000,
                                 .trace = "bench"};
    struct message about = {.job = job, .attempt = 1};
    step(lanes, (struct lane_event){.type = EVENT_SUBMIT, .job = job, .spec = &spec});
    about.type = MESSAGE_ACCEPT;
    hear(lanes, about);
    about.type = MESSAGE_TOK;
    about.tok = (struct tok_message){.seq = 1, .text = SLICE("An answer. [1]")};
    hear(lanes, about);
    about.type = MESSAGE_DONE;
    about.done = (struct done_message){.count = 1};
    hear(lanes, about);
    hear(lanes, (struct message){.type = MESSAGE_CREDIT,
                                 .credit = {.epoch = 1, .cumulative = SLOTS + job}});
}

int main(void)
{
    struct lanes *lanes = lanes_new(&limits, clock_us());
    hear(lanes,
         (struct message){
             .type = MESSAGE_HELLO,
             .hello = {.pool = SLICE("generate"), .boot_id = SLICE("worker"), .slots = SLOTS}});
    hear(lanes,
         (struct message){.type = MESSAGE_CREDIT, .credit = {.epoch = 1, .cumulative = SLOTS}});
    uint64_t began = clock_ns();
    events = 0;
    for (uint64_t job = 1; job <= JOBS; job++) one_job(lanes, job);
    printf("{\"events_per_s\": %.0f}\n", (double)events * 1e9 / (double)(clock_ns() - began));
    lanes_destroy(&lanes);
    return 0;
}
