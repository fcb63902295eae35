/* jd_redis_forward - what jd_forward hands on: RPUSH. */
#include <stdio.h>
#include <stdlib.h>

#include "roles/jobd/jd_payload.h"
#include "roles/jobd/jd_redis_parts.h"

static void on_put(void *data, const redisReply *r)
{
	struct work_job *job = data;
	struct jr *jr = job->data;

	if (r && r->type == REDIS_REPLY_INTEGER)
		jd_forward_over(&jr->forward, job,
				r->integer ? JD_FORWARD_THERE : JD_FORWARD_DUPLICATE, NULL);
	else if (r && r->type == REDIS_REPLY_ERROR)
		jd_forward_over(&jr->forward, job, JD_FORWARD_REFUSED, r->str);
	else
		jd_forward_over(&jr->forward, job, JD_FORWARD_LOST, NULL);
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

static void put(void *data, struct work_job *job)
{
	struct jr *jr = data;
	size_t size = job->size;
	char *whole = jd_payload_complete((enum jd_format)jr->keys->payload, job->topic,
					  job->payload, job->size, &size);

	const char *text = whole ? whole : job->payload;
	job->data = jr;
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
}

static void flush(void *data)
{
	redis_send(((struct jr *)data)->cmd);
}

void jd_redis_forward(struct jr *jr)
{
	jd_forward_may(&jr->forward, redis_is_up(jr->cmd) && !jr->draining);
}

void jd_redis_forward_open(struct jr *jr)
{
	jr->forward.put = put;
	jr->forward.flush = flush;
	jr->forward.data = jr;
	jd_forward_open(&jr->forward, jr->work, jr->keys->write_only);
}
