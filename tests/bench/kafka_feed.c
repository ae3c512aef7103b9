/* kafka_feed BOOTSTRAP TOPIC COUNT PRODUCTS FIRST-ITEM SOLD-AT: sales of products into the topic of the ranking, as rushd writes them, one
 * for each order, keyed by product. SOLD-AT (YYYY-MM-DDThh:mm:ss) is an instant in the shop's time zone, not this machine's. Ends when
 * the broker has all of them. For `make bench CASE=ranking`. */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

static long failed;

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *arg)
{
    failed += m->err != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_t *open_producer(const char *bootstrap)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, why, sizeof why);
    /* Large batches: the embedded broker gives one of each partition for a fetch, a real one as many as fit. */
    rd_kafka_conf_set(conf, "linger.ms", "500", why, sizeof why);
    rd_kafka_conf_set(conf, "batch.num.messages", "10000", why, sizeof why);
    rd_kafka_conf_set(conf, "queue.buffering.max.messages", "10000000", why, sizeof why);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!rk)
        fprintf(stderr, "kafka_feed: %s\n", why);
    return rk;
}

static int put_sale(rd_kafka_t *rk, const char *topic, long item, long product, const char *sold_at)
{
    char key[24], value[256];
    int nkey = snprintf(key, sizeof key, "%ld", product);
    int n = snprintf(
        value, sizeof value,
        "{\"productId\":%ld,\"orderId\":%ld,\"quantity\":1,\"orderCompletedAt\":\"%s\",\"orderItemId\":%ld}",
        product, item, sold_at, item);
    return rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key, (size_t)nkey),
                             RD_KAFKA_V_VALUE(value, (size_t)n), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_END);
}

int main(int argc, char **argv)
{
    if (argc != 7)
        return 64;
    long count = atol(argv[3]), products = atol(argv[4]), first = atol(argv[5]);
    rd_kafka_t *rk = open_producer(argv[1]);
    if (!rk)
        return 1;
    for (long i = 0; i < count; i++) {
        /* Spread like sales are: some products sell more than others. */
        long product = 1 + (i % 3 ? i * 7919 % products : i * 7919 % (products / 10 + 1));
        failed += put_sale(rk, argv[2], first + i, product, argv[6]) != RD_KAFKA_RESP_ERR_NO_ERROR;
        rd_kafka_poll(rk, 0);
    }
    rd_kafka_flush(rk, 60000);
    failed += rd_kafka_outq_len(rk);
    rd_kafka_destroy(rk);
    if (failed)
        fprintf(stderr, "kafka_feed: %ld messages are not there\n", failed);
    return failed != 0;
}
