/* api_setup - what the file says of topics and schedules, and what the engine is told of it. */
#pragma once

struct conf;
struct err;
struct api;
struct api_topic_keys;
struct work_topic_conf;

enum { API_TOPICS_MOST = 10000 };

/* Topics, with what PATCH had set of them; schedules. A schedule that came from the file goes when
 * it is no longer there. */
int api_setup_apply(struct api *api, const struct conf *conf, struct err *err);

/* 0: tasks of that topic may come. UV_ENOENT: it is unknown, and may not come to be. ERR_LIMIT:
 * there are too many. */
int api_setup_takes(struct api *api, const char *topic);

/* "headers.tenant": what the limits of a topic go by; NULL: its tasks' group. */
const char *api_setup_key(struct api *api, const char *topic);

/* The section that is a topic's: its own, or [topic *]; NULL: none. */
const struct api_topic_keys *api_setup_topic(struct api *api, const char *topic);
