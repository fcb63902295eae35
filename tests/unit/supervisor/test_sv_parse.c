/* The small languages of single keys. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/words.h"
#include "core/net/http_url.h"
#include "roles/supervisor/sv_address.h"
#include "roles/supervisor/sv_event.h"
#include "roles/supervisor/sv_parse.h"
#include "tests/lib/check.h"

Test(sv_parse, knows_signals)
{
	static const struct {
		const char *word;
		int want;
	} cases[] = { { "TERM", SIGTERM }, { "sigterm", SIGTERM },   { "15", SIGTERM },
		      { "Usr2", SIGUSR2 }, { "SIGWINCH", SIGWINCH }, { "KILL", SIGKILL },
		      { "RTMIN", 0 },      { "RTMIN+1", 1 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int got = 0;
		check_int(sv_parse_signal(cases[i].word, &got, NULL), 0);
		check_int(got, cases[i].want < 2 ? SIGRTMIN + cases[i].want : cases[i].want);
	}
	static const char *const bad[] = { "",        "0",        "-1",  "TREM",
					   "RTMIN-1", "RTMIN+99", "999", "SIG" };
	int got = 7;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_true(sv_parse_signal(bad[i], &got, NULL) != 0);
	check_int(got, 7);
}

static char a1[] = "TERM/10s", a2[] = "int/500ms", a3[] = "9", a4[] = "jitter 5%", a5[] = "3",
	    a6[] = "1m", a7[] = "20/1h", a8[] = "retry never", a9[] = "jitter 10";

Test(sv_parse, reads_lists)
{
	struct sv_stop_step *steps;
	size_t count;
	struct sv_backoff backoff = { .delay = 7 };
	struct sv_flap flap;
	int64_t age, jitter;

	check_int(sv_parse_stop((char *[]){ a1, a2, a3, NULL }, 3000, &steps, &count, NULL), 0);
	check_int(count, 3);
	check_int(steps[0].wait, 10000);
	check_int(steps[1].wait, 500);
	check_int(steps[1].signal, SIGINT);
	check_int(steps[2].wait, 3000);
	free(steps);
	check_int(sv_parse_backoff((char *[]){ a5, a6, a4, NULL }, &backoff, NULL), 0);
	check_true(backoff.given && backoff.factor == 3 && backoff.jitter == 0.05);
	check_int(backoff.cap, 60000);
	check_int(backoff.delay, 7);
	check_int(sv_parse_backoff((char *[]){ NULL }, &backoff, NULL), 0);
	check_true(!backoff.given);
	check_int(sv_parse_flap((char *[]){ a7, a8, NULL }, &flap, NULL), 0);
	check_true(flap.given && flap.count == 20 && flap.window == 3600000 && flap.retry == 0);
	check_int(sv_parse_age((char *[]){ a6, a9, NULL }, &age, &jitter, NULL), 0);
	check_int(age, 60000);
	check_int(jitter, 10000);
}

Test(sv_parse, reads_words)
{
	static char chown[] = "CAP_CHOWN", bind[] = "net_bind_service", none[] = "none";
	uint64_t caps, cpus[16];
	int octal = 0;
	struct sv_ready ready;

	check_int(sv_parse_caps((char *[]){ chown, bind, NULL }, &caps, NULL), 0);
	check_int(caps, 1 | 1 << 10);
	check_int(sv_parse_caps((char *[]){ none, NULL }, &caps, NULL), 0);
	check_int(caps, 0);
	check_int(sv_parse_cpus("0-3, 6,64", cpus, NULL), 0);
	check_int(cpus[0], 0x4f);
	check_int(cpus[1], 1);
	check_true(sv_parse_cpus("3-1", cpus, NULL) && sv_parse_cpus("x", cpus, NULL) &&
		   sv_parse_cpus("9999", cpus, NULL) && sv_parse_cpus("1-", cpus, NULL));
	check_int(sv_parse_octal("0750", 0777, &octal, NULL), 0);
	check_int(octal, 0750);
	check_true(sv_parse_octal("1000", 0777, &octal, NULL) &&
		   sv_parse_octal("", 7, &octal, NULL));
	check_int(sv_parse_ready("fd:3", &ready, NULL), 0);
	check_int(ready.fd, 3);
	check_true(sv_parse_ready("fd:2", &ready, NULL) && sv_parse_ready("when", &ready, NULL));
	check_int(sv_parse_ready("log:^ok$", &ready, NULL), 0);
	check_int(regexec(&ready.match, "ok", 0, NULL, 0), 0);
	regfree(&ready.match);
}

Test(sv_address, reads_probes_sockets_and_scales)
{
	struct sv_probe probe;
	struct sv_socket socket;
	struct sv_scale scale;
	struct addr addr;

	check_int(sv_address_probe("http://[::1]:8080/a?b", &probe, NULL), 0);
	check_str(probe.url->addr.host, "::1");
	check_str(probe.url->target, "/a?b");
	sv_address_probe_fini(&probe);
	check_int(sv_address_probe("http://localhost?x", &probe, NULL), 0);
	check_int(probe.url->addr.port, 80);
	check_str(probe.url->target, "/?x");
	sv_address_probe_fini(&probe);
	check_int(sv_address_probe("exec:test 'a b'", &probe, NULL), 0);
	check_str(probe.argv[1], "a b");
	sv_address_probe_fini(&probe);
	check_true(sv_address_probe("exec: ", &probe, NULL) &&
		   sv_address_probe("tcp:x", &probe, NULL));
	check_int(sv_address_socket("a=unix:/tmp/x mode=0660 backlog=5", &socket, NULL), 0);
	check_true(socket.addr.is_unix && socket.mode == 0660 && socket.backlog == 5);
	sv_address_socket_fini(&socket);
	check_int(sv_address_socket("d=udp:*:53 reuseport", &socket, NULL), 0);
	check_true(socket.datagram && socket.reuseport && socket.addr.port == 53);
	sv_address_socket_fini(&socket);
	check_true(sv_address_socket("tcp:*:1", &socket, NULL) &&
		   sv_address_socket("a=tcp:*:1 fast", &socket, NULL) &&
		   sv_address_socket("a=x:1", &socket, NULL) &&
		   sv_address_socket("", &socket, NULL));
	check_int(sv_address_scale("redis:h:1/2 hget a b >= 7", &scale, NULL), 0);
	check_true(scale.by == SV_SCALE_REDIS && scale.db == 2 && scale.or_equal &&
		   scale.over == 7);
	check_int(words_count(scale.argv), 3);
	sv_address_scale_fini(&scale);
	check_int(sv_address_scale("exec:count -x > 7", &scale, NULL), 0);
	check_str(scale.argv[0], "count");
	sv_address_scale_fini(&scale);
	check_true(sv_address_scale("redis:h llen q", &scale, NULL) &&
		   sv_address_scale("redis:h > 5", &scale, NULL) &&
		   sv_address_scale("exec: > 5", &scale, NULL) &&
		   sv_address_scale("llen q > 5", &scale, NULL));
	check_int(sv_address_inet("9001", &addr, NULL), 0);
	check_int(addr.port, 9001);
	check_true(sv_address_inet("", &addr, NULL) && sv_address_inet("a:b", &addr, NULL));
}

Test(sv_event, names_form_a_tree)
{
	check_int(sv_event_bits("TICK_60"), 1 << SV_EVENT_TICK_60);
	check_int(sv_event_bits("TICK"),
		  1 << SV_EVENT_TICK_5 | 1 << SV_EVENT_TICK_60 | 1 << SV_EVENT_TICK_3600);
	check_int(sv_event_bits("process_log"),
		  1 << SV_EVENT_PROCESS_LOG_STDOUT | 1 << SV_EVENT_PROCESS_LOG_STDERR);
	check_int(sv_event_bits("EVENT"), (1 << SV_EVENTS) - 1);
	check_int(sv_event_bits("PROCESS") | sv_event_bits("TICK_") | sv_event_bits(""), 0);
	for (int i = 0; i < SV_EVENTS; i++)
		check_int(sv_event_bits(sv_event_name((enum sv_event)i)), 1 << i);
	check_str(sv_event_near("TICK_50"), "TICK_5");
}
