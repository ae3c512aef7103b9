/* Text files that the programs carry: migrations, the demo data, Lua scripts. etc/embed.awk makes the arrays.
 */
#ifndef RUSHD_STORE_EMBED_H
#define RUSHD_STORE_EMBED_H

struct embed_file {
    const char *name; /* last part of the path: "0001_initial.sql"; NULL ends an array */
    const char *text;
};

extern const struct embed_file schema_files[]; /* etc/schema, ascending by version */
extern const struct embed_file seed_files[];   /* etc/seed.sql */
extern const struct embed_file script_files[]; /* src/store/lua, in the order of enum script_id */

#endif
