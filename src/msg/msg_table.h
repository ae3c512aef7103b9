/* What the tables of the four events share. Private to msg. */
#ifndef RUSHD_MSG_MSG_TABLE_H
#define RUSHD_MSG_MSG_TABLE_H

#include "msg/msg.h"
#include "msg/msg_field.h"

/* Views of the event tables are schemas. A field without one is in all three. */
#define MSG_VIEW(schema) (1u << (schema))
#define VIEW_DOCUMENTED  .views = MSG_VIEW(MSG_DOCUMENTED) | MSG_VIEW(MSG_BOTH)
#define VIEW_EXTENDED    .views = MSG_VIEW(MSG_EXTENDED) | MSG_VIEW(MSG_BOTH)

#define POSITIVE .min = 1, .max = INT64_MAX

/* Lines of an order inside events: the documented form, and with all that is known. */
extern const struct msg_table msg_item_documented;
extern const struct msg_table msg_item_platform;

#endif
