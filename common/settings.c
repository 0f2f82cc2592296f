#include "common/settings.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct setting {
    const char *name;
    unsigned processes;
    bool number;
    size_t offset;
    uint64_t preset, least, most;
    const char *text;
    const char *allowed; /* of a text: NULL or alternatives */
    const char *help;
};

#define ENTRY_NUMBER(member, NAME, of, preset, least, most, help) \
    {#NAME, of, true, offsetof(struct settings, member), preset, least, most, NULL, NULL, help},
#define ENTRY_TEXT(member, NAME, of, preset, allowed, help) \
    {#NAME, of, false, offsetof(struct settings, member), 0, 0, 0, preset, allowed, help},
static const struct setting table[] = {SETTING_LIST(ENTRY_NUMBER, ENTRY_TEXT)};

static void allowed_range(const struct setting *setting, char *out, size_t size)
{
    if (setting->number)
        snprintf(out, size, "%" PRIu64 " to %" PRIu64, setting->least, setting->most);
    else
        snprintf(out, size, "%s", setting->allowed ? setting->allowed : "text");
}

static bool parse_number(const struct setting *setting, const char *value, uint64_t *number)
{
    char *end;
    if (!isdigit((unsigned char)*value)) return false;
    errno = 0;
    *number = strtoull(value, &end, 10);
    return !errno && !*end && *number >= setting->least && *number <= setting->most;
}

/* True if `value` is one of the alternatives of "one|other". */
static bool is_allowed(const char *allowed, const char *value)
{
    size_t len = strlen(value);
    if (!allowed) return true;
    while (allowed) {
        if (!strncmp(allowed, value, len) && (allowed[len] == '|' || !allowed[len]) && len)
            return true;
        allowed = strchr(allowed, '|');
        if (allowed) allowed++;
    }
    return false;
}

static err_t setting_set(const struct setting *setting, const char *value,
                         struct settings *settings)
{
    char range[160];
    uint64_t number = 0;
    void *at = (char *)settings + setting->offset;
    if (setting->number ? !parse_number(setting, value, &number)
                        : !is_allowed(setting->allowed, value)) {
        allowed_range(setting, range, sizeof(range));
        fprintf(stderr, "setting %s=%s is wrong: allowed is %s\n", setting->name, value, range);
        return ERR_BAD_SETTING;
    }
    if (setting->number)
        *(uint64_t *)at = number;
    else
        *(const char **)at = value;
    return OK;
}

/* HTTP_PORT for "http-port". */
static const struct setting *setting_of_flag(unsigned process, const char *flag, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const char *name = table[i].name;
        size_t n = 0;
        while (n < len && name[n] == (flag[n] == '-' ? '_' : toupper((unsigned char)flag[n]))) n++;
        if (n == len && !name[n] && (table[i].processes & process)) return &table[i];
    }
    return NULL;
}

static void print_help(unsigned process, const char *program)
{
    printf("usage: %s [--setting value]...\n\nSettings, from the environment or as flags:\n",
           program);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char range[160];
        if (!(table[i].processes & process)) continue;
        allowed_range(&table[i], range, sizeof(range));
        printf("  %s\n      %s\n", table[i].name, table[i].help);
        if (table[i].number)
            printf("      default %" PRIu64 ", allowed %s\n", table[i].preset, range);
        else
            printf("      default \"%s\", allowed %s\n", table[i].text, range);
    }
}

static err_t read_environment(unsigned process, struct settings *settings)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        void *at = (char *)settings + table[i].offset;
        const char *value = getenv(table[i].name);
        if (table[i].number)
            *(uint64_t *)at = table[i].preset;
        else
            *(const char **)at = table[i].text;
        if (!value || !*value || !(table[i].processes & process)) continue;
        if (setting_set(&table[i], value, settings)) return ERR_BAD_SETTING;
    }
    return OK;
}

/* Reads --flag value and --flag=value at argv[*i], leaving *i at its last word. */
static err_t read_flag(unsigned process, char **argv, int *i, struct settings *settings)
{
    const char *flag = argv[*i] + 2;
    const char *value = strchr(flag, '=');
    const struct setting *setting =
        setting_of_flag(process, flag, value ? (size_t)(value - flag) : strlen(flag));
    if (!setting) {
        fprintf(stderr, "unknown flag %s (--help lists them)\n", argv[*i]);
        return ERR_BAD_SETTING;
    }
    value = value ? value + 1 : argv[++*i];
    if (!value) {
        fprintf(stderr, "flag %s needs a value\n", argv[*i - 1]);
        return ERR_BAD_SETTING;
    }
    return setting_set(setting, value, settings);
}

err_t settings_load(enum settings_of process, const char *program, int argc, char **argv,
                    struct settings *settings, int *rest)
{
    int i;
    if (read_environment(process, settings)) return ERR_BAD_SETTING;
    for (i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help")) {
            print_help(process, program);
            exit(0);
        }
        if (!strcmp(argv[i], "--version")) {
            printf("%s %s\n", program, MILLRACE_VERSION);
            exit(0);
        }
        if (strncmp(argv[i], "--", 2)) break;
        if (read_flag(process, argv, &i, settings)) return ERR_BAD_SETTING;
    }
    if (rest)
        *rest = i;
    else if (i < argc) {
        fprintf(stderr, "unexpected argument %s (--help lists the flags)\n", argv[i]);
        return ERR_BAD_SETTING;
    }
    return OK;
}

bool settings_reads(enum settings_of process, struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (slice_equal(slice_of(table[i].name), name)) return table[i].processes & process;
    return false;
}

static void print_processes(unsigned processes)
{
    static const char *const names[] = {"gateway", "embedder", "retriever", "generator",
                                        "millrace"};
    const char *separator = "";
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!(processes & (1u << i))) continue;
        printf("%s%s", separator, names[i]);
        separator = ", ";
    }
}

void settings_print_reference(void)
{
    printf("| setting | of | default | allowed | what |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char range[160];
        allowed_range(&table[i], range, sizeof(range));
        for (char *bar = range; (bar = strchr(bar, '|')); bar++) *bar = '/';
        printf("| `%s` | ", table[i].name);
        print_processes(table[i].processes);
        if (table[i].number)
            printf(" | %" PRIu64 " | %s | %s |\n", table[i].preset, range, table[i].help);
        else
            printf(" | `%s` | %s | %s |\n", table[i].text, range, table[i].help);
    }
}
