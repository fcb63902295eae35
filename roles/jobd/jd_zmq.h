/*
 * jd_zmq - tasks in by ZeroMQ (3.0 of its protocol, libzmq 4), where jobd is the broker.
 *
 *	REQ or DEALER   sends topic, id or "", options as JSON or "", payload
 *	                gets  id, "ok", "" or "duplicate"     once the disk has it
 *	                      id, "err", why
 *	PUSH            sends the same, and is told nothing
 *
 * Options are those of POST /v1/tasks, but topic, id and payload. An empty id is chosen by us.
 */
#pragma once

struct err;
struct jd;
struct jd_zmq;
struct stat_out;
struct conf;
struct conf_errors;

void jd_zmq_check(const struct conf *conf, struct conf_errors *errors);

/* Listens to what the keys say; *out stays NULL where they say nothing. It may be set also when
 * that fails. */
int jd_zmq_open(struct jd_zmq **out, struct jd *jd, struct err *err);

/* For api_role's of the same names; z: NULL does nothing. close frees it, when what was taken is
 * answered. */
void jd_zmq_drain(struct jd_zmq *z);
void jd_zmq_close(struct jd_zmq *z);

/* A table of that name. */
void jd_zmq_status(const struct jd_zmq *z, const char *name, struct stat_out *out);
