/*
 * jd_faktory - Faktory's protocol (FWP, version 2), to the tasks of the engine.
 *
 * A queue is a topic, a job a task whose own name is the jid; what was pushed is the payload, byte
 * for byte. See the README for what each command does to a task, and for where this differs.
 */
#pragma once

struct jd;
struct conf;
struct conf_errors;
struct err;
struct stat_out;
struct work_event;
struct jd_fk;

/* Listens to what the keys say; *out is set also when that fails. */
int jd_faktory_open(struct jd_fk **out, struct jd *jd, struct err *err);

/* For api_role's of the same names; fk: NULL does nothing. Drain: calls jd_drained once, soon or
 * when its workers hold no job any more. */
void jd_faktory_event(struct jd_fk *fk, const struct work_event *e);
void jd_faktory_drain(struct jd_fk *fk);
void jd_faktory_close(struct jd_fk *fk);
void jd_faktory_free(struct jd_fk *fk);

void jd_faktory_status(const struct jd_fk *fk, struct stat_out *out);
