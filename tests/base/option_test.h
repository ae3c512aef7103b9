/* What the suites of the option engine share: a table with one option of each type, and its sources. */
#ifndef TESTS_BASE_OPTION_TEST_H
#define TESTS_BASE_OPTION_TEST_H

#include "test_base.h"

#include "base/option.h"

/* The settings that the table of the tests fills in. */
struct option_test_values {
    char *name;
    char *password;
    bool flag;
    int64_t port, least, timeout, size;
    int publisher;
    uint64_t roles;
    struct option_map extra, levels;
    int64_t low, high;
};

extern struct option_test_values option_values;
extern const struct option_table option_test_table;

/* Notes so far, one per line, "warning: " in front of warnings. */
extern struct buf option_notes;

void option_test_setup(void);
void option_test_teardown(void);

/* (Over)write a file of the test's own directory, "conf" or "secret"; returns its path, static per name. */
const char *option_test_file(const char *name, const char *text);

/* Load from a file with this text (NULL: no file), environment and sets; the fault is in option_error. */
bool option_test_load(const char *text, const char *const *environment, const char *const *sets);
extern struct error option_error;

/* Load and require that it works. */
void option_test_load_file(const char *text);

#endif
