/* Hash maps to pointers: by 64-bit id, and by byte string. Open addressing, grow as needed, seeded per
 * process so that a client cannot choose colliding keys. Values are the caller's. */
#ifndef RUSHD_BASE_MAP_H
#define RUSHD_BASE_MAP_H

#include "base/str.h"

struct map; /* int64_t -> void * */

/* Make an empty map. */
struct map *map_new(void);
/* Free the map, not the values; NULL is fine. */
void map_free(struct map *m);
/* Find the value of a key, NULL when absent. */
void *map_get(const struct map *m, int64_t key);
/* Set the value (not NULL) of a key; returns the one it replaced, or NULL. */
void *map_put(struct map *m, int64_t key, void *value);
/* Remove a key; returns its value, NULL when absent. */
void *map_del(struct map *m, int64_t key);
/* Give the number of keys. */
size_t map_len(const struct map *m);
/* Remove all keys, not the values. */
void map_clear(struct map *m);
/* Walk in no order: start with *pos = 0; false at the end. Keys may be deleted during the walk, none added.
 * key and value may be NULL. */
bool map_next(const struct map *m, size_t *pos, int64_t *key, void **value);

struct strmap; /* bytes (copied) -> void * */

/* The same for keys of n bytes, of which the map keeps copies. */
struct strmap *strmap_new(void);
/* Free the map and its keys, not the values; NULL is fine. */
void strmap_free(struct strmap *m);
/* Find the value of a key, NULL when absent. */
void *strmap_get(const struct strmap *m, const char *key, size_t n);
/* Set the value (not NULL) of a key; returns the one it replaced, or NULL. */
void *strmap_put(struct strmap *m, const char *key, size_t n, void *value);
/* Remove a key, which must not be the map's own copy; returns its value, NULL when absent. */
void *strmap_del(struct strmap *m, const char *key, size_t n);
/* Give the number of keys. */
size_t strmap_len(const struct strmap *m);
/* Remove all keys, not the values. */
void strmap_clear(struct strmap *m);
/* Walk as map_next() does. The key is the map's copy, NUL-terminated, and goes with its entry. */
bool strmap_next(const struct strmap *m, size_t *pos, struct slice *key, void **value);

#endif
