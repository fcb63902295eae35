#include <criterion/criterion.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/net/poller.h"

static uv_loop_t loop;
static char told[64];
static int closed;

static void note(void *data)
{
	strcat(told, data);
}

static void on_event(struct poller_item *i, unsigned events)
{
	char c;

	cr_assert(events & EPOLLIN);
	cr_assert_eq(read(i->fd, &c, 1), 1);
	strcat(told, "!");
	poller_unref(i); /* nothing else keeps the loop alive */
}

static void on_closed(struct poller_item *i)
{
	(void)i;
	closed++;
}

Test(poller, runs_until_nothing_keeps_it_alive_and_can_run_again)
{
	struct poller_turn first, second;
	struct poller_item item;
	int ends[2];
	char one[] = "1", two[] = "2";

	uv_loop_init(&loop);
	poller_prepare(&loop);
	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(poller_open(&item, &loop, ends[0], EPOLLIN, on_event), 0);
	poller_each_turn(&loop, &first, note, one);
	poller_each_turn(&loop, &second, note, two);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	poller_run(&loop);
	cr_assert_str_eq(told, "!21", "who came last is first, once a round");

	poller_no_turn(&second);
	poller_close(&item, on_closed);
	poller_run(&loop);
	cr_assert_eq(closed, 1);
	cr_assert_str_eq(told, "!211");
	poller_no_turn(&first);
	poller_finish(&loop);
	cr_assert_null(loop.data);
	cr_assert_eq(uv_loop_close(&loop), 0);
	close(ends[1]);
}

static void leave(void *data)
{
	poller_no_turn(data);
	strcat(told, "left");
}

/* It may be due before the loop has waited even once. */
static void on_timer(uv_timer_t *t)
{
	if (*told)
		uv_close((uv_handle_t *)t, NULL);
	else
		uv_timer_start(t, on_timer, 1, 0);
}

/* Who was to be called next is not any more. */
Test(poller, a_turn_may_remove_another)
{
	struct poller_turn gone, remover;
	uv_timer_t timer;

	uv_loop_init(&loop);
	poller_prepare(&loop);
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_timer, 1, 0);
	poller_each_turn(&loop, &gone, note, (char[]){ "never" });
	poller_each_turn(&loop, &remover, leave, &gone);
	poller_run(&loop);
	cr_assert(strstr(told, "left") && !strstr(told, "never"), "%s", told);
	poller_no_turn(&remover);
	poller_finish(&loop);
	cr_assert_eq(uv_loop_close(&loop), 0);
}

static struct poller_item *waits;

static void on_late(uv_timer_t *t)
{
	poller_close(waits, on_closed);
	uv_close((uv_handle_t *)t, NULL);
}

/* What keeps the loop alive is ended by a timer that does not. */
Test(poller, an_item_keeps_timers_going)
{
	struct poller_item item;
	uv_timer_t timer;
	int ends[2];

	uv_loop_init(&loop);
	poller_prepare(&loop);
	waits = &item;
	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(poller_open(&item, &loop, ends[0], EPOLLIN, on_event), 0);
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_late, 1, 0);
	uv_unref((uv_handle_t *)&timer);
	poller_run(&loop);
	cr_assert_eq(closed, 1);
	poller_finish(&loop);
	cr_assert_eq(uv_loop_close(&loop), 0);
	close(ends[1]);
}

/* With a loop that uv_run turns nobody is called, and nothing is to be given back. */
Test(poller, a_turn_of_another_loop_does_nothing)
{
	struct poller_turn t;

	uv_loop_init(&loop);
	poller_each_turn(&loop, &t, note, (char[]){ "never" });
	uv_run(&loop, UV_RUN_DEFAULT);
	poller_no_turn(&t);
	cr_assert_str_eq(told, "");
	cr_assert_eq(uv_loop_close(&loop), 0);
}
