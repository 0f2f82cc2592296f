/* The frames inside a body, for lane_io alone: it receives into them and sends copies of them. */
#ifndef MILLRACE_GATEWAY_BODY_FRAMES_H
#define MILLRACE_GATEWAY_BODY_FRAMES_H

#include <zmq.h>

#include "gateway/body.h"

struct body {
    size_t references;
    zmq_msg_t frames[FRAME_COUNT];
};

#endif
