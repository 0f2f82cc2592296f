#include "deploy/cli/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Signals as a program expects to find them. */
static void reset_signals(void)
{
    sigset_t none;
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void redirect(int output)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null >= 0) dup2(null, STDIN_FILENO);
    if (output < 0) return;
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
}

static void become(const struct launch *launch, pid_t parent)
{
    reset_signals();
    setsid();
    redirect(launch->output);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(0); /* it died before the line above */
    execve(launch->program, launch->argv, launch->environment);
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", launch->program, strerror(errno));
    _exit(127);
}

pid_t launch(const struct launch *launch)
{
    pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) become(launch, parent);
    return pid;
}

char *launch_sibling(const char *name)
{
    char path[2 * PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, PATH_MAX);
    path[MAX(len, 0)] = '\0';
    char *slash = strrchr(path, '/');
    snprintf(slash ? slash + 1 : path, PATH_MAX, "%s", name);
    return xstrdup(path);
}

const char *launch_describe(int status)
{
    static char text[64];
    if (WIFSIGNALED(status))
        snprintf(text, sizeof(text), "was killed by signal %d", WTERMSIG(status));
    else
        snprintf(text, sizeof(text), "ended with status %d", WEXITSTATUS(status));
    return text;
}
