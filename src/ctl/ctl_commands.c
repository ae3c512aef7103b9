/* The table of commands. Help and the manual page's check come from it. */
#include "ctl/ctl.h"

const struct ctl_command ctl_commands[] = {
    {{"migrate"},
     ctl_migrate,
     "migrate",
     "Bring the schema up to date; safe when several do it at once.",
     NULL},
    {{"seed"},
     ctl_seed,
     "seed",
     "Load the demo data: users 1001-2000, products 1-20, coupons 1-10. What is there stays as it is.",
     NULL},
    {{"coupon", "create"},
     ctl_coupon_create,
     "coupon create --name NAME --discount AMOUNT --count N [--id ID] [--from TIME] [--to TIME] "
     "[--status STATUS] [--json]",
     "Create a coupon.",
     "  --name NAME        what users see\n"
     "  --discount AMOUNT  what it takes off an order\n"
     "  --count N          how many may be issued\n"
     "  --id ID            its id; the next free one without\n"
     "  --from TIME        first instant, 2026-11-23T12:00:00 or a day; now without\n"
     "  --to TIME          end, or the last day; 30 days after --from without\n"
     "  --status STATUS    ACTIVE (without), INACTIVE, SOLD_OUT or EXPIRED\n"
     "  --json             print {\"couponId\":ID}\n"},
    {{"coupon", "list"},
     ctl_coupon_list,
     "coupon list [--json]",
     "List the coupons with what is left of each.",
     "  --json             an array of objects\n"},
    {{"coupon", "show"},
     ctl_coupon_show,
     "coupon show ID [--json]",
     "Show a coupon as PostgreSQL has it, and its line: waiting, in flight, issued, who drains it.",
     "  --json             an object\n"},
    {{"line"},
     ctl_line,
     "line ID [--limit N] [--json]",
     "Show who is in flight and who waits in the line of a coupon, in order.",
     "  --limit N          members at most (50)\n"
     "  --json             an object\n"},
    {{"dlq", "list"},
     ctl_dlq_list,
     "dlq list [TOPIC] [--since TIME] [--key KEY] [--open] [--limit N] [--json]",
     "List the newest dead letters, and how many there are of each topic.",
     "  TOPIC              only this topic's, or --topic TOPIC\n"
     "  --since TIME       written since, 2026-11-23T12:00:00 or a day\n"
     "  --key KEY          only with this key\n"
     "  --open             only those that were not sent again\n"
     "  --limit N          letters at most (50)\n"
     "  --json             an object\n"},
    {{"dlq", "show"},
     ctl_dlq_show,
     "dlq show TOPIC/PARTITION/OFFSET [--json]",
     "Show a dead letter with its headers and its value, or why that cannot be read.",
     "  --json             an object\n"},
    {{"dlq", "redrive"},
     ctl_dlq_redrive,
     "dlq redrive {TOPIC/PARTITION/OFFSET... | [--topic TOPIC] [--since TIME] [--key KEY] [--all]} [--again] "
     "[--force] [--as-new-request] [--dry-run] [--json]",
     "Send dead letters to their topics again, each once.",
     "  --topic TOPIC      all of this topic\n"
     "  --since TIME       all written since, 2026-11-23T12:00:00 or a day\n"
     "  --key KEY          all with this key\n"
     "  --all              all there are\n"
     "  --again            also those that were sent again before\n"
     "  --force            also those that cannot be read\n"
     "  --as-new-request   accept coupon requests that failed anew, at the end of the line\n"
     "  --dry-run          only say what would be done\n"
     "  --json             an object\n"},
    {{"rebuild"},
     ctl_rebuild,
     "rebuild ranking|issued|coupon-info|line|all [--coupon ID] [--from-scratch]",
     "Build what is in Redis again from PostgreSQL, while nodes serve.",
     "  --coupon ID        only what belongs to this coupon\n"
     "  --from-scratch     forget counts of the ranking and members of issued sets that nothing accounts "
     "for\n"},
    {{"audit"},
     ctl_audit,
     "audit [--coupon ID] [--from TIME] [--to TIME] [--no-kafka] [--json]",
     "Prove or refute what rushd promises from the books in PostgreSQL, Redis and Kafka, while nodes serve.",
     "  --coupon ID        only what is about this coupon\n"
     "  --from TIME        orders and requests from then on, 2026-11-23T12:00:00 or a day\n"
     "  --to TIME          up to then, or with that day\n"
     "  --no-kafka         do not read the topics\n"
     "  --json             an object\n"},
    {{0}},
};
