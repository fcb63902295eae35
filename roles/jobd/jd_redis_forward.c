/*
 * jd_redis_forward - topics that are only written: what is submitted to us goes to their list.
 *
 * It is kept here first, with its delay, until Redis has it: a producer does not wait for a server
 * that is away. An answer that does not come leaves a job that may be there twice.
 */
#include <stdio.h>

#include "roles/jobd/jd_redis_parts.h"

enum { AT_ONCE = 256 };

static void want(struct jr *jr)
{
	bool may = redis_is_up(jr->cmd) && !jr->draining;

	work_want(jr->forwarder, may ? AT_ONCE - jr->forwarding : 0);
}

static void on_put(void *data, const redisReply *r)
{
	struct work_job *job = data;
	struct jr *jr = job->data;

	jr->forwarding--;
	if (jr->closing) /* the engine may be gone; it is there again at the next start */
		return;
	if (r && r->type == REDIS_REPLY_INTEGER)
		work_ack(job, NULL);
	else if (r && r->type == REDIS_REPLY_ERROR)
		work_fail(job, WORK_FAULT_FAILED, r->str, true, -1);
	else
		work_release(job, 0);
	want(jr);
	jd_redis_settle(jr);
}

static void put_list(struct jr *jr, const char *topic)
{
	char list[JR_PREFIX];

	snprintf(list, sizeof(list), "%s%s", jr->keys->prefix, topic);
	redis_text(jr->cmd, list);
}

static void on_job(void *data, struct work_job *job)
{
	struct jr *jr = data;

	job->data = jr;
	jr->forwarding++;
	redis_begin(jr->cmd, 3, on_put, job);
	redis_text(jr->cmd, "RPUSH");
	put_list(jr, job->topic);
	redis_word(jr->cmd, job->payload, job->size);
	if (!work_is_turning(jr->work)) /* its payload had to be read first: nobody says more */
		redis_send(jr->cmd);
}

static void on_served(void *data)
{
	redis_send(((struct jr *)data)->cmd);
}

void jd_redis_forward(struct jr *jr)
{
	if (jr->forwarder && !jr->closing)
		want(jr);
}

void jd_redis_forward_open(struct jr *jr)
{
	char **topics = jr->keys->write_only;
	struct work_taker_conf conf = { .topics = (const char *const *)topics,
					.on_job = on_job,
					.on_served = on_served,
					.data = jr };

	while (topics[conf.n_topics])
		conf.n_topics++;
	if (conf.n_topics)
		jr->forwarder = work_taker_new(jr->work, &conf);
}
