/* millrace: the operator command. Each subcommand is a file of its own and a line of this table. */
#include <locale.h>
#include <stdio.h>

#include "common/settings.h"
#include "deploy/cli/classify.h"
#include "deploy/cli/cli.h"

static int settings_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    settings_print_reference();
    return 0;
}

static int errors_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    errors_print_reference();
    return 0;
}

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"ask", ask_main, "ask a question, see the answer as it comes, then its sources"},
    {"ingest", ingest_main, "load files or folders into a portfolio"},
    {"reembed", reembed_main, "make the vectors of portfolios anew, with another embedder"},
    {"classify", classify_main,
     "language and level of questions, JSON lines in and out; no server"},
    {"settings", settings_main, "print all settings of all processes, as a Markdown table"},
    {"errors", errors_main, "print all error codes with their status, as a Markdown table"},
    {"migrate", migrate_main, "bring the store's schema up to date"},
    {"token", token_main, "write an access token, which AUTH_MODE=jwt asks for"},
    {"rekey", rekey_main, "seal the stored keys of providers under a new AGENT_KMS_KEY"},
    {"supervise", supervise_main, "run a whole system on this machine (what deploy/up calls)"},
    {"health", health_main, "is the server alive? the exit status says it"},
    {"prepare", prepare_main, "wait until a server is ready and load the demo into an empty one"},
};

static int print_help(void)
{
    printf("usage: millrace COMMAND [argument]...    millrace COMMAND --help tells more\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].help);
    printf("\nThe server is MILLRACE_URL, http://127.0.0.1:8000 where that is not set; an access "
           "token "
           "for it\nis MILLRACE_TOKEN.\n");
    return 0;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    setlocale(LC_CTYPE, "C.UTF-8");
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help"))
        return print_help();
    if (!strcmp(name, "--version")) return printf("millrace %s\n", MILLRACE_VERSION) < 0;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (!strcmp(name, commands[i].name)) return commands[i].run(argc - 1, argv + 1);
    if (*name)
        complain("no command \"%s\"; millrace --help lists them", name);
    else
        complain("which command? millrace --help lists them");
    return EXIT_USAGE;
}
