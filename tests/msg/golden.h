/* Golden files: the exact text of a message, one file each in tests/msg/golden. */
#ifndef TESTS_MSG_GOLDEN_H
#define TESTS_MSG_GOLDEN_H

/* Set the time zone that the golden files are written in: Asia/Seoul. */
void golden_setup(void);

/* Compare text with the file of that name (one line). */
void golden_check(const char *name, const char *text);

#endif
