/* The generator's part in writing an agent: the first stage of agent.create and agent.update where
 * the client brought keys. They are sealed in the request frame, and the job goes on to the store,
 * which takes sealed keys only. */
#ifndef MILLRACE_GENERATOR_SEAL_AGENT_H
#define MILLRACE_GENERATOR_SEAL_AGENT_H

#include "common/sealing.h"
#include "workers/worker.h"

/* Ends the job: job_next with every key of the agent and its fallbacks sealed, or job_fail with
 * ERR_BAD_FRAME, ERR_KMS_KEY_MISSING, or ERR_INVALID_FIELD for a key that comes sealed already. */
void seal_agent(const struct sealer *sealer, struct job *job);

#endif
