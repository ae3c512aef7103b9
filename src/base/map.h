/* Hash maps to pointers: by 64-bit id, and by byte string. Open addressing, grow as needed, seeded per
 * process so that a client cannot choose colliding keys. Values are the caller's. */
#ifndef RUSHD_BASE_MAP_H
#define RUSHD_BASE_MAP_H

#include "base/str.h"

struct map; /* int64_t -> void * */

struct map *map_new(void);
void map_free(struct map *m);                    /* values are not touched; NULL is fine */
void *map_get(const struct map *m, int64_t key); /* NULL when absent */
void *map_put(struct map *m, int64_t key,
              void *value);                /* value != NULL; returns the one it replaced, or NULL */
void *map_del(struct map *m, int64_t key); /* returns the removed value or NULL */
size_t map_len(const struct map *m);
void map_clear(struct map *m);
/* Walk: start with *pos = 0; false at the end. The current key may be deleted during the walk, none added.
 * key and value may be NULL. */
bool map_next(const struct map *m, size_t *pos, int64_t *key, void **value);

struct strmap; /* bytes (copied) -> void * */

struct strmap *strmap_new(void);
void strmap_free(struct strmap *m);
void *strmap_get(const struct strmap *m, const char *key, size_t n);
void *strmap_put(struct strmap *m, const char *key, size_t n, void *value);
void *strmap_del(struct strmap *m, const char *key, size_t n);
size_t strmap_len(const struct strmap *m);
void strmap_clear(struct strmap *m);
/* As map_next; the key belongs to the map and goes with its entry. key and value may be NULL. */
bool strmap_next(const struct strmap *m, size_t *pos, struct slice *key, void **value);

#endif
