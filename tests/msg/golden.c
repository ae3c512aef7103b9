/* Golden files: the exact text of a message. */
#include "tests/msg/golden.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "msg/msg_date.h"

void golden_setup(void)
{
    setenv("TZ", "Asia/Seoul", 1);
    tzset();
    msg_date_zone_changed();
}

void golden_check(const char *name, const char *text)
{
    const char *srcdir = getenv("srcdir");
    struct buf path = BUF_INIT, want = BUF_INIT;
    char block[4096];
    buf_printf(&path, "%s/tests/msg/golden/%s", srcdir ? srcdir : ".", name);
    FILE *f = fopen(buf_str(&path), "rb");
    ck_assert_msg(f != NULL, "cannot open %s for\n%s", buf_str(&path), text);
    for (size_t n; (n = fread(block, 1, sizeof(block), f)) > 0;)
        buf_put(&want, block, n);
    fclose(f);
    ck_assert_msg(want.len > 0 && want.data[want.len - 1] == '\n', "%s does not end a line", name);
    want.len--;
    ck_assert_str_eq(text, buf_str(&want));
    buf_free(&path);
    buf_free(&want);
}
