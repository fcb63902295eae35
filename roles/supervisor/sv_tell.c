#include "roles/supervisor/sv_tell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/mem.h"
#include "core/base/utf8.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_pool.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_team.h"

enum { TICKS = 3, HEAD_MOST = 1024 };

static const int64_t periods[TICKS] = { 5, 60, 3600 };

static bool is_wanted(const struct sv *sv, enum sv_event event)
{
	return sv_pool_wants(sv) >> event & 1;
}

/* ---- states ------------------------------------------------------------------------------- */

static bool event_of(enum sv_proc_state s, enum sv_event *event)
{
	static const enum sv_event events[] = {
		[SV_STOPPED] = SV_EVENT_PROCESS_STATE_STOPPED,
		[SV_STARTING] = SV_EVENT_PROCESS_STATE_STARTING,
		[SV_RUNNING_STATE] = SV_EVENT_PROCESS_STATE_RUNNING,
		[SV_BACKOFF] = SV_EVENT_PROCESS_STATE_BACKOFF,
		[SV_STOPPING] = SV_EVENT_PROCESS_STATE_STOPPING,
		[SV_EXITED] = SV_EVENT_PROCESS_STATE_EXITED,
		[SV_FATAL_STATE] = SV_EVENT_PROCESS_STATE_FATAL,
		[SV_UNKNOWN] = SV_EVENT_PROCESS_STATE_UNKNOWN,
	};

	if (s == SV_GONE)
		return false;
	*event = events[s];
	return true;
}

static void put_extra(const struct sv_proc *p, enum sv_proc_state from, char *into, size_t size)
{
	int pid = from == SV_BACKOFF ? 0 : (int)p->last_pid;

	switch (sv_proc_state(p)) {
	case SV_STARTING:
		snprintf(into, size, " tries:%u", p->tries);
		break;
	case SV_BACKOFF: /* it is counted right after it is told */
		snprintf(into, size, " tries:%u", p->tries + 1);
		break;
	case SV_EXITED:
		snprintf(into, size, " expected:%d pid:%d", sv_proc_is_expected(p), pid);
		break;
	case SV_RUNNING_STATE:
	case SV_STOPPING:
	case SV_STOPPED:
		snprintf(into, size, " pid:%d", pid);
		break;
	default:
		*into = '\0';
	}
}

void sv_tell_move(struct sv_proc *p, int from)
{
	enum sv_proc_state before = (enum sv_proc_state)from;
	char text[HEAD_MOST], extra[64];
	enum sv_event event;

	if (before == sv_proc_state(p) || !event_of(sv_proc_state(p), &event) ||
	    !is_wanted(p->sv, event))
		return;
	put_extra(p, before, extra, sizeof(extra));
	int n = snprintf(text, sizeof(text), "processname:%.255s groupname:%.255s from_state:%s%s",
			 p->conf->name, p->team->conf->name, sv_proc_state_name(before), extra);
	sv_pool_post(p->sv, event, text, (size_t)n);
}

void sv_tell_state(struct sv *sv, enum sv_event event)
{
	sv_pool_post(sv, event, "", 0);
}

void sv_tell_group(struct sv *sv, enum sv_event event, const struct sv_group *group)
{
	char text[HEAD_MOST];
	int n = snprintf(text, sizeof(text), "groupname:%.255s\n", group->name);

	sv_pool_post(sv, event, text, (size_t)n);
}

/* ---- what is said ---------------------------------------------------------------------------- */

static void put_byte(FILE *out, unsigned char c, char quote)
{
	if (c == '\\' || c == (unsigned char)quote)
		fprintf(out, "\\%c", c);
	else if (c == '\t')
		fputs("\\t", out);
	else if (c == '\n')
		fputs("\\n", out);
	else if (c == '\r')
		fputs("\\r", out);
	else if (c < 0x20 || c >= 0x7f)
		fprintf(out, "\\x%02x", c);
	else
		fputc(c, out);
}

/* As Python shows bytes, which is what supervisord sends then. */
static void put_undecodable(FILE *out, const char *data, size_t n)
{
	char quote = memchr(data, '\'', n) && !memchr(data, '"', n) ? '"' : '\'';

	fprintf(out, "Undecodable: b%c", quote);
	for (size_t i = 0; i < n; i++)
		put_byte(out, (unsigned char)data[i], quote);
	fputc(quote, out);
}

static const char *channel(enum sv_event event)
{
	if (event == SV_EVENT_PROCESS_LOG_STDOUT)
		return " channel:stdout";
	return event == SV_EVENT_PROCESS_LOG_STDERR ? " channel:stderr" : "";
}

void sv_tell_output(struct sv *sv, const struct sv_speaker *s, enum sv_event event,
		    const void *data, size_t n)
{
	char *text = NULL;
	size_t size;

	if (!is_wanted(sv, event))
		return;
	FILE *out = open_memstream(&text, &size);
	fprintf(out, "processname:%s groupname:%s pid:%d%s\n", s->name, s->group, (int)s->pid,
		channel(event));
	if (n > 0 && utf8_is(data, n))
		fwrite(data, 1, n, out);
	else if (n > 0)
		put_undecodable(out, data, n);
	fclose(out);
	sv_pool_post(sv, event, text, size);
	free(text);
}

void sv_tell_remote(struct sv *sv, const char *type, const char *data, size_t n)
{
	size_t head = strlen("type:\n") + strlen(type);

	if (!is_wanted(sv, SV_EVENT_REMOTE_COMMUNICATION))
		return;
	char *text = mem_new(head + n + 1);
	snprintf(text, head + 1, "type:%s\n", type);
	memcpy(text + head, data, n);
	sv_pool_post(sv, SV_EVENT_REMOTE_COMMUNICATION, text, head + n);
	free(text);
}

/* ---- ticks -------------------------------------------------------------------------------------
 */

static int64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t slice(int i, int64_t ms)
{
	int64_t s = ms / 1000;

	return s - s % periods[i];
}

static void on_tick(uv_timer_t *t);

/* At the next round time; once a minute at least, since clocks jump. */
static void wait_for_next(struct sv *sv)
{
	int64_t period = is_wanted(sv, SV_EVENT_TICK_5) ? 5000 : 60000;

	uv_timer_start(&sv->tell.tick, on_tick, (uint64_t)(period - wall_ms() % period + 1), 0);
}

static void on_tick(uv_timer_t *t)
{
	struct sv *sv = t->data;
	int64_t now = wall_ms();
	char text[40];

	for (int i = 0; i < TICKS; i++) {
		if (slice(i, now) == sv->tell.slices[i])
			continue;
		sv->tell.slices[i] = slice(i, now);
		int n = snprintf(text, sizeof(text), "when:%lld", (long long)sv->tell.slices[i]);
		sv_pool_post(sv, SV_EVENT_TICK_5 + (enum sv_event)i, text, (size_t)n);
	}
	wait_for_next(sv);
}

void sv_tell_look(struct sv *sv)
{
	uint64_t ticks = 7ULL << SV_EVENT_TICK_5;
	bool wanted = sv_pool_wants(sv) & ticks;

	if (uv_is_closing((uv_handle_t *)&sv->tell.tick))
		return;
	for (int i = 0; wanted && !sv->tell.ticking && i < TICKS; i++)
		sv->tell.slices[i] = slice(i, wall_ms());
	sv->tell.ticking = wanted;
	if (wanted)
		wait_for_next(sv);
	else
		uv_timer_stop(&sv->tell.tick);
}

/* ---- life --------------------------------------------------------------------------------------
 */

void sv_tell_open(struct sv *sv)
{
	list_init(&sv->pools.all);
	uv_timer_init(sv->loop, &sv->tell.tick);
	sv->tell.tick.data = sv;
	sv->lives++;
}

static void on_closed(uv_handle_t *h)
{
	struct sv *sv = h->data;

	sv->lives--;
	sv_settle(sv);
}

void sv_tell_close(struct sv *sv)
{
	uv_close((uv_handle_t *)&sv->tell.tick, on_closed);
}
