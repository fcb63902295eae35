/*
 * jd_beanstalk - beanstalkd's protocol, to the tasks of the engine.
 *
 * A tube is a topic, a job a task; ids are the engine's. See the README for what each command does
 * to a task, and for where this differs from beanstalkd.
 */
#pragma once

#include <stdint.h>

struct jd;
struct err;
struct stat_out;
struct work_event;
struct jd_bs;

/* Listens to what the keys say; *out is set also when that fails. */
int jd_beanstalk_open(struct jd_bs **out, struct jd *jd, struct err *err);

/* For api_role's of the same names; bs: NULL does nothing. Drain: calls jd_drained once, soon or
 * when its clients hold no job any more. */
void jd_beanstalk_event(struct jd_bs *bs, const struct work_event *e);
void jd_beanstalk_drain(struct jd_bs *bs);
void jd_beanstalk_close(struct jd_bs *bs);
void jd_beanstalk_free(struct jd_bs *bs);

void jd_beanstalk_status(const struct jd_bs *bs, struct stat_out *out);
