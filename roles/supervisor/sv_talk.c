#include "roles/supervisor/sv_talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/log/log.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_adopt.h"
#include "roles/supervisor/sv_capture.h"
#include "roles/supervisor/sv_ear.h"
#include "roles/supervisor/sv_life.h"
#include "roles/supervisor/sv_pool.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_team.h"
#include "roles/supervisor/sv_tell.h"

/* One of its streams. */
struct voice {
	struct sv_talk *talk;
	struct output *output;
	struct output_tap tap;
	struct sv_capture capture;
	bool taps, captures;
};

struct sv_talk {
	struct sv *sv;
	struct sv_speaker speaker;
	struct voice out, err;
	bool listens, ended;
	struct sv_ear ear;
	struct output_tap words;
	struct sv_life *life;
	struct sv_posted *event; /* that the listener has now */
};

/* ---- a listener --------------------------------------------------------------------------- */

static struct sv_pool *pool_of(const struct sv_talk *t)
{
	return t->life->proc->team->pool;
}

static void give_back(struct sv_talk *t)
{
	sv_pool_reject(pool_of(t), t->event);
	t->event = NULL;
}

static void act(struct sv_talk *t, enum sv_ear_said said)
{
	const char *name = t->life->proc->conf->full;

	switch (said) {
	case SV_EAR_OK:
		sv_posted_drop(t->event);
		t->event = NULL;
		break;
	case SV_EAR_FAIL:
		log_warn("%s: event was rejected", name);
		give_back(t);
		break;
	case SV_EAR_NONSENSE:
		log_warn("%s: has entered the UNKNOWN state and will no longer receive events, "
			 "this usually indicates the process violated the eventlistener protocol",
			 name);
		give_back(t);
		break;
	default:
		break;
	}
}

static void on_words(struct output_tap *tap, const void *data, size_t n)
{
	struct sv_talk *t = tap->owner;
	const char *at = data;
	enum sv_ear_said said;

	if (t->ended || n == 0)
		return;
	while ((said = sv_ear_hear(&t->ear, &at, &n)) != SV_EAR_NOTHING)
		act(t, said);
	sv_adopt_heard(t->life, t->ear.state);
	sv_pool_dispatch(pool_of(t));
}

bool sv_talk_is_ready(const struct sv_life *l)
{
	return l && l->talk && l->talk->listens && l->talk->ear.state == SV_EAR_READY;
}

void sv_talk_sent(struct sv_life *l, struct sv_posted *event)
{
	sv_ear_ask(&l->talk->ear);
	l->talk->event = event;
	sv_adopt_heard(l, l->talk->ear.state);
}

/* ---- output that makes events --------------------------------------------------------------- */

static void on_log(struct output_tap *tap, const void *data, size_t n)
{
	struct voice *v = tap->owner;
	struct sv_talk *t = v->talk;
	enum sv_event event =
		v == &t->err ? SV_EVENT_PROCESS_LOG_STDERR : SV_EVENT_PROCESS_LOG_STDOUT;

	if (n > 0)
		sv_tell_output(t->sv, &t->speaker, event, data, n);
}

static void on_part(struct sv_capture *c, const char *data, size_t n)
{
	struct voice *v = c->owner;
	struct sv_talk *t = v->talk;
	enum sv_event event = v == &t->err ? SV_EVENT_PROCESS_COMMUNICATION_STDERR
					   : SV_EVENT_PROCESS_COMMUNICATION_STDOUT;

	sv_tell_output(t->sv, &t->speaker, event, data, n);
}

static void on_text(struct sv_capture *c, char *data, size_t n)
{
	struct voice *v = c->owner;

	output_pass(v->output, data, n);
}

static void on_filter(struct output *o, char *data, size_t n)
{
	struct voice *v = o->filter_owner;

	if (n > 0)
		sv_capture_feed(&v->capture, data, n);
	else
		sv_capture_end(&v->capture);
}

static void set_capture(struct voice *v, int64_t most)
{
	if (v->captures && (int64_t)v->capture.part.max == most)
		return;
	if (v->captures) {
		sv_capture_end(&v->capture);
		sv_capture_fini(&v->capture);
	}
	v->captures = most > 0;
	output_filter(v->output, most > 0 ? on_filter : NULL, v);
	if (most <= 0)
		return;
	v->capture = (struct sv_capture){ .owner = v, .on_text = on_text, .on_part = on_part };
	sv_capture_init(&v->capture, (size_t)most);
}

static void set_voice(struct voice *v, const struct sv_log *log, bool captures)
{
	if (log->events && !v->taps)
		output_tap(v->output, &v->tap, on_log, v);
	else if (!log->events && v->taps)
		output_untap(&v->tap);
	v->taps = log->events;
	set_capture(v, captures ? log->capture_maxbytes : 0);
}

/* ---- life -------------------------------------------------------------------------------------
 */

static bool talks(const struct sv_log *log)
{
	return log->events || log->capture_maxbytes > 0;
}

static void open_voices(struct sv_talk *t)
{
	const struct sv_process_conf *conf = t->life->proc->conf;

	if (t->life->has_out && !t->listens)
		set_voice(&t->out, &conf->out, true);
	if (t->life->has_err)
		set_voice(&t->err, &conf->err, !t->listens);
}

void sv_talk_begin(struct sv_life *l)
{
	struct sv_proc *p = l->proc;
	bool listens = p->team->pool != NULL;

	if (!listens && !talks(&p->conf->out) && !talks(&p->conf->err))
		return;
	struct sv_talk *t = mem_new(sizeof(*t));
	l->talk = t;
	*t = (struct sv_talk){
		.sv = l->sv,
		.life = l,
		.listens = listens,
		.speaker = { mem_str(p->conf->name), mem_str(p->team->conf->name), l->child.pid },
		.out = { .talk = t, .output = &l->out },
		.err = { .talk = t, .output = &l->err },
	};
	if (listens && l->has_out)
		output_tap(&l->out, &t->words, on_words, t);
	open_voices(t);
}

void sv_talk_change(struct sv_life *l)
{
	if (l->talk)
		open_voices(l->talk);
	else
		sv_talk_begin(l);
}

void sv_talk_drain(struct sv_life *l)
{
	if (l->talk && l->has_out)
		output_drain(&l->out);
	if (l->talk && l->has_err)
		output_drain(&l->err);
}

void sv_talk_end(struct sv_life *l)
{
	struct sv_talk *t = l->talk;

	if (!t || t->ended)
		return;
	t->ended = true;
	if (!t->event)
		return;
	give_back(t);
	sv_pool_dispatch(pool_of(t));
}

void sv_talk_adopted(struct sv_life *l, int heard)
{
	if (l->talk && heard <= SV_EAR_UNKNOWN)
		l->talk->ear.state = (enum sv_ear_state)heard;
	sv_adopt_heard(l, heard);
}

void sv_talk_free(struct sv_life *l)
{
	struct sv_talk *t = l->talk;

	if (!t)
		return;
	if (t->out.captures)
		sv_capture_fini(&t->out.capture);
	if (t->err.captures)
		sv_capture_fini(&t->err.capture);
	free(t->speaker.name);
	free(t->speaker.group);
	free(t);
	l->talk = NULL;
}
