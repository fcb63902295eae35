#include "roles/jobd/jd_forward.h"

enum { AT_ONCE = 256 };

static const struct work_end there_already = { .result = "duplicate", .size = 9 };

static void want(struct jd_forward *f)
{
	if (f->taker)
		work_want(f->taker, f->may ? AT_ONCE - f->under_way : 0);
}

static void on_job(void *data, struct work_job *job)
{
	struct jd_forward *f = data;

	f->under_way++;
	f->put(f->data, job);
	if (!work_is_turning(f->work)) /* its payload had to be read first: nobody says more */
		f->flush(f->data);
}

static void on_served(void *data)
{
	struct jd_forward *f = data;

	f->flush(f->data);
}

void jd_forward_open(struct jd_forward *f, struct work *work, char *const *topics)
{
	struct work_taker_conf conf = { .topics = (const char *const *)topics,
					.on_job = on_job,
					.on_served = on_served,
					.data = f };

	f->work = work;
	while (topics[conf.n_topics])
		conf.n_topics++;
	if (conf.n_topics)
		f->taker = work_taker_new(work, &conf);
}

void jd_forward_may(struct jd_forward *f, bool may)
{
	f->may = may;
	if (!f->closed)
		want(f);
}

void jd_forward_over(struct jd_forward *f, struct work_job *job, enum jd_forward_end how,
		     const char *why)
{
	f->under_way--;
	if (f->closed)
		return;
	if (how == JD_FORWARD_THERE)
		work_ack(job, NULL);
	else if (how == JD_FORWARD_DUPLICATE)
		work_ack(job, &there_already);
	else if (how == JD_FORWARD_REFUSED)
		work_fail(job, WORK_FAULT_FAILED, why, true, -1);
	else
		work_release(job, 0);
	want(f);
}

void jd_forward_close(struct jd_forward *f, bool engine_goes)
{
	if (f->taker && !engine_goes)
		work_taker_free(f->taker);
	f->taker = NULL;
	f->closed = true;
}
