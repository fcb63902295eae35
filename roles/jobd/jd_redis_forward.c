/*
 * jd_redis_forward - topics that are only written: what is submitted to us goes to their list.
 *
 * It is kept here first, with its delay, until Redis has it: a producer does not wait for a server
 * that is away. An answer that does not come leaves a job that may be there twice.
 */
#include <stdio.h>
#include <stdlib.h>

#include "roles/jobd/jd_payload.h"
#include "roles/jobd/jd_redis_parts.h"

enum { AT_ONCE = 256 };

static void want(struct jr *jr)
{
	bool may = redis_is_up(jr->cmd) && !jr->draining;

	work_want(jr->forwarder, may ? AT_ONCE - jr->forwarding : 0);
}

static const struct work_end there_already = { .result = "duplicate", .size = 9 };

static void on_put(void *data, const redisReply *r)
{
	struct work_job *job = data;
	struct jr *jr = job->data;

	jr->forwarding--;
	if (jr->closing) /* the engine may be gone; it is there again at the next start */
		return;
	if (r && r->type == REDIS_REPLY_INTEGER)
		work_ack(job, r->integer ? NULL : &there_already);
	else if (r && r->type == REDIS_REPLY_ERROR)
		work_fail(job, WORK_FAULT_FAILED, r->str, true, -1);
	else
		work_release(job, 0);
	want(jr);
	jd_redis_settle(jr);
}

/* A name of theirs: prefix, folder, topic, more. */
static void put_key(struct jr *jr, const char *folder, const char *topic, const char *more)
{
	char key[JR_PREFIX];

	snprintf(key, sizeof(key), "%s%s%s%s", jr->keys->prefix, folder, topic, more);
	redis_text(jr->cmd, key);
}

static void put_unique(struct jr *jr, const struct work_job *job)
{
	char key[JR_PREFIX + WORK_MAX_TEXT];

	snprintf(key, sizeof(key), "tr:{%s%s}:uq:%s", jr->keys->prefix, job->topic, job->uniq);
	redis_text(jr->cmd, key);
}

/* Sidekiq has a set of its queues, Laravel a list that wakes its workers. */
static void tell_others(struct jr *jr, const char *topic)
{
	if (jr->layout == JD_OF_SIDEKIQ) {
		redis_begin(jr->cmd, 3, NULL, NULL);
		redis_text(jr->cmd, "SADD");
		put_key(jr, "queues", "", "");
		redis_text(jr->cmd, topic);
	} else if (jr->layout == JD_OF_LARAVEL) {
		redis_begin(jr->cmd, 3, NULL, NULL);
		redis_text(jr->cmd, "RPUSH");
		put_key(jr, jd_redis_folder(jr), topic, ":notify");
		redis_text(jr->cmd, "1");
	}
}

static void on_job(void *data, struct work_job *job)
{
	struct jr *jr = data;
	size_t size = job->size;
	char *whole = jd_payload_complete((enum jd_format)jr->keys->payload, job->topic,
					  job->payload, job->size, &size);

	const char *text = whole ? whole : job->payload;
	job->data = jr;
	jr->forwarding++;
	tell_others(jr, job->topic);
	if (job->uniq && job->uniq_left > 0) {
		jd_redis_eval(jr, JD_PUSH, 5, on_put, job);
		redis_text(jr->cmd, "2");
		put_key(jr, jd_redis_folder(jr), job->topic, "");
		put_unique(jr, job);
		redis_word(jr->cmd, text, size);
		redis_number(jr->cmd, job->uniq_left);
	} else {
		redis_begin(jr->cmd, 3, on_put, job);
		redis_text(jr->cmd, jr->layout == JD_OF_SIDEKIQ ? "LPUSH" : "RPUSH");
		put_key(jr, jd_redis_folder(jr), job->topic, "");
		redis_word(jr->cmd, text, size);
	}
	free(whole);
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
