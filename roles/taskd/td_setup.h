/* td_setup - what the file says of topics and schedules, and what the engine is told of it. */
#pragma once

struct conf;
struct err;
struct td;
struct td_topic_keys;
struct work_topic_conf;

enum { TD_TOPICS_MOST = 10000 };

/* Topics, with what PATCH had set of them; schedules. A schedule that came from the file goes when
 * it is no longer there. */
int td_setup_apply(struct td *td, const struct conf *conf, struct err *err);

/* 0: tasks of that topic may come. UV_ENOENT: it is unknown, and may not come to be. ERR_LIMIT:
 * there are too many. */
int td_setup_takes(struct td *td, const char *topic);

/* "headers.tenant": what the limits of a topic go by; NULL: its tasks' group. */
const char *td_setup_key(struct td *td, const char *topic);

/* The section that is a topic's: its own, or [topic *]; NULL: none. */
const struct td_topic_keys *td_setup_topic(struct td *td, const char *topic);
