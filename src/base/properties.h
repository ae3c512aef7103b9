/* Reader of the configuration file: Java-properties style with optional sections (contract section 2). Pure.
 *
 * A comment ('#' or '!' or ';') starts a line. "key = value" or "key: value"; the value is the rest of the
 * line, trimmed, taken whole (no inline comment, no escapes, no continuation). "[a.b]" puts "a.b." before the
 * keys that follow; "[]" ends that. UTF-8 only, a byte-order mark is skipped, lines of any length. */
#ifndef RUSHD_BASE_PROPERTIES_H
#define RUSHD_BASE_PROPERTIES_H

#include "base/error.h"
#include "base/str.h"

/* Called for each pair in file order. Return false to stop with the error set. */
typedef bool properties_pair_fn(void *arg, int line, struct slice key, struct slice value, struct error *e);

/* Parse text and call pair for each pair; key and value live until it returns. False when pair returned
 * false, or on a malformed line: e->text is then "line N: ..." and shows no secret. */
bool properties_parse(const char *text, size_t n, properties_pair_fn *pair, void *arg, struct error *e);

#endif
