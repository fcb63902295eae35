/* Whole configurations: groups, processes, what is said of wrong ones, differences. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/net/http_url.h"
#include "roles/supervisor/sv_event.h"
#include "roles/supervisor/sv_schedule.h"
#include "tests/lib/check.h"
#include "tests/unit/supervisor/sv_try.h"

Test(sv_setup, has_defaults_of_supervisord)
{
	struct sv_setup *s = sv_try("[program:cat]\ncommand=/bin/cat -u\n");
	const struct sv_process_conf *p = sv_try_process(s, "cat", "cat");
	const struct sv_program *g = p->program;

	check_int(s->group_count, 1);
	check_int(s->groups[0].priority, 999);
	check_str(p->full, "cat");
	check_str(p->argv[0], "/bin/cat");
	check_str(p->argv[1], "-u");
	check_true(p->argv[2] == NULL && p->directory == NULL && p->chroot == NULL);
	check_int(g->conf->startsecs, 1000);
	check_int(g->conf->startretries, 3);
	check_int(g->conf->autorestart, SV_RESTART_UNEXPECTED);
	check_true(g->conf->autostart);
	check_int(g->exitcode_count, 1);
	check_int(g->exitcodes[0], 0);
	check_int(g->stop_count, 1);
	check_int(g->stop[0].signal, SIGTERM);
	check_int(g->stop[0].wait, 10000);
	check_true(!g->killasgroup && !g->has_user && !g->backoff.given && !g->flap.given);
	check_int(g->umask, -1);
	check_int(p->out.to, SV_LOG_AUTO);
	check_str(p->out.path, "/tmp/cat-stdout---supervisor-XXXXXX.log");
	check_str(p->err.path, "/tmp/cat-stderr---supervisor-XXXXXX.log");
	check_int(p->out.maxbytes, 50 << 20);
	check_int(p->out.backups, 10);
	check_true(!p->health);
	sv_setup_drop(s);
}

Test(sv_setup, makes_each_process_from_its_number)
{
	struct sv_setup *s = sv_try(
		"[supervisord]\nenvironment=BASE=\"/b\",X=\"1\"\n"
		"[program:web]\nnumprocs=2\nnumprocs_start=7\nnumprocs_max=3\n"
		"process_name=%(program_name)s_%(process_num)02d\n"
		"command=%(ENV_BASE)s/web --port 80%(process_num)02d --of %(numprocs)d %(ENV_Y)s\n"
		"environment=Y=\"n%(process_num)d, \",X=2\n"
		"directory=%(here)s/%(process_num)d\n"
		"stdout_logfile=/tmp/%(group_name)s_%(process_num)02d.log\nredirect_stderr=true\n"
		"health=http://127.0.0.1:80%(process_num)02d/ok\n");
	const struct sv_process_conf *p = sv_try_process(s, "web", "web_08");

	check_int(s->process_count, 3);
	check_int(p->num, 8);
	check_str(p->full, "web:web_08");
	check_str(p->argv[0], "/b/web");
	check_str(p->argv[2], "8008");
	check_str(p->argv[4], "2");
	check_str(p->argv[5], "n8,");
	check_str(p->directory, "/etc/8");
	check_int(p->out.to, SV_LOG_FILE);
	check_str(p->out.path, "/tmp/web_08.log");
	check_int(p->err.to, SV_LOG_NONE);
	check_int(p->health->by, SV_PROBE_HTTP);
	check_int(p->health->url->addr.port, 8008);
	check_str(p->health->url->target, "/ok");
	check_true(!p->spare && sv_try_process(s, "web", "web_09")->spare);
	static const char *const env[] = { "SUPERVISOR_ENABLED=1",
					   "SUPERVISOR_PROCESS_NAME=web_08",
					   "SUPERVISOR_GROUP_NAME=web",
					   "BASE=/b",
					   "X=2",
					   "Y=n8, " };
	for (size_t i = 0; i < sizeof(env) / sizeof(env[0]); i++)
		check_str(p->env[i], env[i]);
	sv_setup_drop(s);
}

Test(sv_setup, groups_programs)
{
	struct sv_setup *s = sv_try("[program:a]\ncommand=a\npriority=5\n"
				    "[program:b]\ncommand=b\npriority=4\n"
				    "[program:c]\ncommand=c\npriority=1\n"
				    "[fcgi-program:f]\ncommand=f\nsocket=tcp://localhost:9002\n"
				    "[group:g]\nprograms=a, b ,f\npriority=2\n"
				    "[eventlistener:l]\ncommand=l\nevents=TICK_60,PROCESS_STATE\n");

	check_int(s->group_count, 3);
	check_str(s->groups[0].name, "l");
	check_int(s->groups[0].priority, -1);
	check_int(s->groups[0].kind, SV_LISTENER);
	check_str(s->groups[1].name, "c");
	check_str(s->groups[2].name, "g");
	check_str(s->groups[2].order[0]->full, "g:b");
	check_str(s->groups[2].order[1]->full, "g:a");
	check_str(s->groups[2].order[2]->full, "g:f");
	check_int(s->groups[2].programs[2].kind, SV_FCGI);
	check_int(s->groups[2].programs[2].fcgi->addr.port, 9002);
	check_int(s->groups[0].programs[0].events,
		  sv_event_bits("TICK_60") | sv_event_bits("process_state"));
	check_true(!sv_setup_group(s, "a") && !sv_group_process(&s->groups[1], "x"));
	sv_setup_drop(s);
}

/* The sample of the specification. */
static const char sample[] =
	"[supervisord]\nlogfile = /tmp/supervisord.log\non_exit = stop            ; stop | leave\n"
	"adopt = yes\nsubreaper = yes\nmetrics = 127.0.0.1:9010\nstate = /run/troupe/state\n"
	"[program:db]\ncommand=db\nhealth=tcp:127.0.0.1:3306\n"
	"[program:migrate]\ncommand=migrate\ntype=oneshot\n"
	"[program:web]\ncommand = /srv/web --port 80%(process_num)02d\n"
	"process_name = %(program_name)s_%(process_num)02d\nnumprocs = 4\n"
	"autorestart = unexpected\nstartsecs = 2\nstartretries = 10\nrestart_delay = 100ms\n"
	"restart_backoff = 2.0, 30s          ; factor, cap; jitter 20 %\nrestart_reset = 60s\n"
	"flap = 5/60s, retry 5m              ; FATAL\ndepends_on = db:healthy, migrate:exited\n"
	"ready = notify                      ; none | notify | fd:3 | log:REGEX | probe\n"
	"health = http://127.0.0.1:80%(process_num)02d/ok\nhealth_interval = 5s\n"
	"health_timeout = 1s\nhealth_failures = 3\nhealth_action = restart\nwatchdog = 30s\n"
	"stopsignal = TERM/10s, INT/5s       ; then KILL\nstopasgroup = true\n"
	"kill_tree = cgroup\nreload_signal = HUP\nrolling = 1\nessential = true\nuser = root\n"
	"groups = root\nrlimit_nofile = 65536\nmemory_max = 512M\ncpu_max = 150%\npids_max = 200\n"
	"max_rss = 400M\nmax_age = 24h, jitter 1h\nsockets = http=tcp:0.0.0.0:8080 reuseport\n"
	"stdout_logfile = /tmp/web_%(process_num)02d.log\nstdout_logfile_maxbytes = 50MB\n"
	"stdout_logfile_backups = 10\nstdout_compress = zstd\nstdout_format = raw\n"
	"[program:worker]\ncommand = php worker.php\nprocess_name=w%(process_num)d\nnumprocs = 4\n"
	"numprocs_max = 12\nscale_on = redis:127.0.0.1:6379/0 llen jobs > 1000\n"
	"scale_down_after = 60s\n";

Test(sv_setup, reads_the_sample)
{
	char *said = sv_try_said(sample);
	struct sv_setup *s = sv_try(sample);
	const struct sv_program *p = sv_try_process(s, "web", "web_03")->program;
	const struct sv_program *w = sv_try_process(s, "worker", "w11")->program;

	check_str(said,
		  geteuid() ? "warning: /etc/sv.conf:39: user: only root can become root\n" : "");
	check_true(s->main.has_metrics);
	check_int(s->main.metrics.port, 9010);
	check_true(p->backoff.given && p->backoff.factor == 2.0 && p->backoff.jitter == 0.2);
	check_int(p->backoff.delay, 100);
	check_int(p->backoff.cap, 30000);
	check_int(p->flap.count, 5);
	check_int(p->flap.window, 60000);
	check_int(p->flap.retry, 300000);
	check_int(p->depend_count, 2);
	check_str(p->depends[0].program->name, "db");
	check_int(p->depends[0].until, SV_UNTIL_HEALTHY);
	check_int(p->depends[1].until, SV_UNTIL_EXITED);
	check_int(p->ready.by, SV_READY_NOTIFY);
	check_int(p->stop_count, 2);
	check_int(p->stop[1].signal, SIGINT);
	check_int(p->stop[1].wait, 5000);
	check_true(p->killasgroup && p->has_user);
	check_int(p->conf->kill_tree, SV_TREE_CGROUP);
	check_int(p->reload_signal, SIGHUP);
	check_int(p->limit_count, 1);
	check_int(p->limits[0].value.rlim_cur, 65536);
	check_int(p->conf->memory_max, 512 << 20);
	check_int(p->cpu_max, 150);
	check_int(p->max_age, 86400000);
	check_int(p->max_age_jitter, 3600000);
	check_int(p->socket_count, 1);
	check_str(p->sockets[0].name, "http");
	check_true(p->sockets[0].reuseport);
	check_int(p->sockets[0].addr.port, 8080);
	check_int(w->scale->by, SV_SCALE_REDIS);
	check_int(w->scale->over, 1000);
	check_str(w->scale->argv[0], "llen");
	check_str(w->scale->argv[1], "jobs");
	check_int(w->count, 12);
	free(said);
	sv_setup_drop(s);
}

#define P "[program:a]\ncommand=a\n"

Test(sv_setup, says_what_is_wrong)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "[program:a]\n", "1: command: [program a] must set it" },
		{ "[program:a]\ncommand=\n", "2: command: is empty" },
		{ "[program:a]\ncommand=sh -c 'x\n", "2: command: a ' without its end" },
		{ "[program:a]\ncommand=x \\\n", "2: command: a \\ at the end" },
		{ "[program:a]\ncommand=%(ENV_NO_SUCH_VARIABLE)s\n",
		  "2: command: %(ENV_NO_SUCH_VARIABLE)s: NO_SUCH_VARIABLE is not set in the "
		  "environment" },
		{ "[program:a]\ncommand=%(proces_num)s\n",
		  "2: command: %(proces_num)s: no such name, is %(process_num)s meant?" },
		{ "[program:a b]\ncommand=a\n",
		  "1: [program] 'a b': a name must not have a ' ' in it" },
		{ P "numprocs=2\n",
		  "1: process_name: must have %(process_num)d in it where numprocs is above 1" },
		{ P "numprocs=-1\n", "3: numprocs: '-1' is below 0" },
		{ P "numprocs=%(program_name)s\n", "3: numprocs: 'a' is not a whole number" },
		{ P "user=no_such_user\n", "3: user: there is no user no_such_user" },
		{ P "groups=root\n", "3: groups: stands without user" },
		{ P "stopsignal=TREM\n",
		  "3: stopsignal: 'TREM' is not a signal (TERM, HUP, INT, QUIT, "
		  "...)" },
		{ P "stopsignal=TERM/x\n",
		  "3: stopsignal: 'x' is not a time (seconds, or with its unit: "
		  "ms, s, m, h or d)" },
		{ P "stopasgroup=true\nkillasgroup=no\n",
		  "4: killasgroup: must not be false where stopasgroup is true" },
		{ P "exitcodes=0,256\n", "3: exitcodes: '256' is not an exit code (0 to 255)" },
		{ P "umask=9\n", "3: umask: '9' is not an octal number up to 777" },
		{ P "autorestart=maybe\n",
		  "3: autorestart: 'maybe' is none of unexpected, true, false, "
		  "on-success, on-abnormal, on-failure, always, yes, on, 1, "
		  "never, no, off, 0" },
		{ P "environment=A=1 B=2\n",
		  "3: environment: 'B=2' comes where a comma should be; a value with other than "
		  "letters, digits and _/.+-(): needs quotes" },
		{ P "environment=A\n",
		  "3: environment: 'A' is not of the form NAME=\"value\",NAME=\"value\"" },
		{ P "environment=A=\"x\n", "3: environment: a quote without its end" },
		{ P "depends_on=aa\n", "3: depends_on: aa: no such program, is a meant?" },
		{ P "depends_on=a\n", "3: depends_on: waits for itself: a -> a" },
		{ P "depends_on=b\n[program:b]\ncommand=b\ndepends_on=c\n[program:c]\ncommand=c\n"
		    "depends_on=a:started\n",
		  "3: depends_on: waits for itself: a -> b -> c -> a" },
		{ P "depends_on=b:healthy\n[program:b]\ncommand=b\n",
		  "3: depends_on: b: it has no health that it could be asked for" },
		{ P "health=ftp://x\n",
		  "3: health: 'ftp://x' is none of http://HOST:PORT/PATH, tcp:HOST:PORT, "
		  "exec:COMMAND" },
		{ P "ready=log:(\n", "3: ready: '(': Unmatched ( or \\(" },
		{ P "ready=probe\n", "3: ready: probe: there is no health to ask" },
		{ P "schedule=1 2 3\n", "3: schedule: has 3 words; there must be minute, hour, "
					"day, month, weekday and perhaps a time zone" },
		{ P "flap=5\n", "3: flap: '5' is not of the form N/TIME" },
		{ P "capabilities=chwn\n",
		  "3: capabilities: 'chwn' is not a capability, is chown meant?" },
		{ P "scale_on=redis:x:1/0 llen q > 5\n",
		  "3: scale_on: needs a numprocs_max above numprocs to go up to" },
		{ P "[group:g]\nprograms=b\n", "4: programs: b: no such program, is a meant?" },
		{ P "[group:a]\nprograms=b\n[program:b]\ncommand=x\n",
		  "[program a]: there is another group or program of that name" },
		{ "[eventlistener:l]\ncommand=l\n", "1: events: [eventlistener l] must set it" },
		{ "[eventlistener:l]\ncommand=l\nevents=TICK_5\nredirect_stderr=true\n",
		  "4: redirect_stderr: must not be true: what it writes there would stand between "
		  "its "
		  "answers" },
		{ "[eventlistener:l]\ncommand=l\nevents=TICK_6\n",
		  "3: events: none that there is" },
		{ "[fcgi-program:f]\ncommand=f\nsocket=unix://rel\n",
		  "3: socket: 'rel' is not an absolute path" },
		{ "[fcgi-program:f]\ncommand=f\nsocket=tcp://h:1\nsocket_mode=0600\n",
		  "4: socket_mode: is for unix sockets only" },
		{ "[inet_http_server]\nport=*:9001\n",
		  "2: port: whoever reaches it could run anything as our user: set username and "
		  "password, or listen on 127.0.0.1, or say open = yes" },
		{ "[inet_http_server]\nport=127.0.0.1:1\nusername=x\n",
		  "3: username: username and password belong together" },
		{ "[inet_http_server]\nport=9001\nusername=x\npassword={SHA}12\n",
		  "4: password: {SHA} is followed by 40 hexadecimal digits" },
		{ "[unix_http_server]\n", "1: file: [unix_http_server] must set it" },
		{ "[supervisord]\nmax_processes=1\n" P "[program:b]\ncommand=b\n",
		  "2: max_processes: the programs have 2 processes and more, which is above 1" },
		{ "[supervisord]\nenvironment=A\n",
		  "2: environment: 'A' is not of the form NAME=\"value\",NAME=\"value\"" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *said = sv_try_said(cases[i].text);
		bool first = strncmp(said, "/etc/sv.conf:", 13) == 0;
		char *line = strtok(said, "\n");
		const char *got = !line ? "" : first ? line + 13 : line;
		if (cases[i].want[0] == '[')
			got += strspn(got, "0123456789: ");
		check_str(got, cases[i].want);
		line = strtok(NULL, "\n");
		check_str(line && strncmp(line, "warning", 7) != 0 ? line : "", "");
		free(said);
	}
}

Test(sv_setup, warns_of_what_it_passes_over)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ P "stdout_logfile=/no/such/x.log\n",
		  "3: stdout_logfile: the folder /no/such is not there\n" },
		{ P "redirect_stderr=true\nstderr_logfile=/tmp/x\n",
		  "4: stderr_logfile: means nothing where redirect_stderr is true\n" },
		{ P "stdout_logfile_maxbytes=0\n",
		  "1: stdout_logfile: AUTO and never rotated: it may fill the disk\n" },
		{ "[rpcinterface:x]\nsupervisor.rpcinterface_factory=y\nretries=1\n",
		  "3: retries: no such key in [rpcinterface]\nwarning: /etc/sv.conf:2: "
		  "supervisor.rpcinterface_factory: y is not there: it is Python's\n" },
		{ "[eventlistener:l]\ncommand=l\nevents=TICK_5,TICK_7\n",
		  "3: events: TICK_7: no such event, is TICK_5 meant?\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *said = sv_try_said(cases[i].text), want[300];
		snprintf(want, sizeof(want), "warning: /etc/sv.conf:%s", cases[i].want);
		check_str(said, want);
		free(said);
	}
}

Test(sv_setup, makes_listeners)
{
	struct sv_setup *s = sv_try("[unix_http_server]\nfile=/tmp/s.sock\nchmod=0777\n"
				    "[inet_http_server:a]\nport=:9001\nusername=u\n"
				    "password={SHA}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d\n"
				    "[inet_http_server:b]\nport=9002\nopen=yes\n" P);

	check_int(s->http_count, 3);
	check_true(s->http[0].addr.is_unix && !s->http[0].chown);
	check_str(s->http[0].addr.host, "/tmp/s.sock");
	check_int(s->http[0].mode, 0777);
	check_int(s->http[1].addr.port, 9001);
	check_true(s->http[1].password_is_sha);
	check_int(strlen(s->http[1].password), 40);
	check_int(s->http[2].addr.port, 9002);
	check_true(s->http[2].password == NULL);
	check_str(s->main.serverurl, "unix:///tmp/s.sock");
	sv_setup_drop(s);
}

/* ---- differences -------------------------------------------------------------------- */

static void collect(void *data, const struct sv_difference *d)
{
	static const char *const words[] = { "+group", "-group", "+", "-", "restart", "live" };
	const char *name = d->now         ? d->now->full
			   : d->old       ? d->old->full
			   : d->now_group ? d->now_group->name
					  : d->old_group->name;
	char *all = data;

	snprintf(all + strlen(all), 1000 - strlen(all), "%s %s %s\n", words[d->change], name,
		 d->line);
}

Test(sv_setup, tells_what_an_update_has_to_do)
{
	static const struct {
		const char *old, *now, *want;
	} cases[] = {
		{ P, P, "" },
		{ P, "[program:a]\ncommand = 'a'\nautostart=1\n", "" },
		{ P, "[program:a]\ncommand=b\n", "restart a command: a -> b\n" },
		{ P, P "stdout_logfile=/tmp/x\n", "live a stdout_logfile: AUTO -> /tmp/x\n" },
		{ P, P "environment=S=\"secret\"\n", "restart a environment: S is new\n" },
		{ P "environment=S=1\n", P "environment=S=2\n",
		  "restart a environment: S has changed\n" },
		{ P, P "startsecs=2\numask=022\n",
		  "restart a startsecs: 1 -> 2; umask: (empty) -> 022\n" },
		{ P, P "[program:b]\ncommand=b\n", "+group b \n" },
		{ P "[program:b]\ncommand=b\n", P, "-group b \n" },
		{ P, "[eventlistener:a]\ncommand=a\nevents=TICK_5\n", "-group a \n+group a \n" },
		{ P "process_name=p%(process_num)d\nnumprocs=2\n",
		  P "process_name=p%(process_num)d\nnumprocs=3\n", "+ a:p2 \n" },
		{ P "process_name=p%(process_num)d\nnumprocs=3\n",
		  P "process_name=p%(process_num)d\nnumprocs=2\n", "- a:p2 \n" },
		{ P, "[unix_http_server]\nfile=/tmp/x\n" P, "" },
		{ P "[program:b]\ncommand=b\n[group:g]\nprograms=a,b\n",
		  P "[program:b]\ncommand=c\n[group:g]\nprograms=a,b\n",
		  "restart g:b command: b -> c\n" },
		{ P "process_name=p%(process_num)d\nnumprocs=2\ncommand=x %(process_num)d",
		  P "process_name=p%(process_num)d\nnumprocs=2\ncommand=x 0",
		  "restart a:p1 command: x 1 "
		  "-> x 0\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sv_setup *old = sv_try(cases[i].old), *now = sv_try(cases[i].now);
		char got[1000] = "";

		sv_setup_diff(old, now, collect, got);
		check_str(got, cases[i].want);
		sv_setup_drop(old);
		sv_setup_drop(now);
	}
}

Test(sv_setup, knows_when_a_program_starts_next)
{
	struct sv_setup *s =
		sv_try("[program:a]\ncommand=a\nschedule=0 3 * * * UTC\n"
		       "[program:b]\ncommand=b\ninterval=10\n[program:c]\ncommand=c\n");
	const struct sv_program *a = sv_try_process(s, "a", "a")->program;
	const struct sv_program *b = sv_try_process(s, "b", "b")->program;
	const struct sv_program *c = sv_try_process(s, "c", "c")->program;

	check_true(sv_schedule_has(a) && sv_schedule_has(b) && !sv_schedule_has(c));
	check_int(sv_schedule_next(a, 86400000, 0), 86400000 + 3 * 3600000);
	check_int(sv_schedule_next(b, 50000, 0), 60000);
	check_int(sv_schedule_next(b, 50000, 45000), 55000);
	check_int(sv_schedule_next(b, 50000, 20000), 50001);
	check_int(sv_schedule_next(c, 50000, 0), SV_SCHEDULE_NEVER);
	sv_setup_drop(s);
}

/* A file in supervisord's manner, with all that its own version 4 knows. */
static const char whole[] =
	"; comments begin lines\n# of both kinds\n"
	"[unix_http_server]\nfile=/tmp/s.sock   ; path\nchmod=0700\nchown=root:root\n"
	"username=u ; who\npassword=p%%1\n\n"
	"[inet_http_server]         ; also TCP\nport=127.0.0.1:9001\nusername=u\npassword=123\n\n"
	"[supervisord]\nlogfile=/tmp/s.log ; log\nlogfile_maxbytes=50MB\nlogfile_backups=10\n"
	"loglevel=TRACE\npidfile=/tmp/s.pid\nnodaemon=false\nsilent=false\nminfds=1024\n"
	"minprocs=200\numask=022\nuser=root\nidentifier=supervisor\ndirectory=/"
	"tmp\nnocleanup=true\n"
	"childlogdir=/tmp\nenvironment=KEY=\"value\"\nstrip_ansi=false\n\n"
	"[rpcinterface:supervisor]\n"
	"supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n\n"
	"[supervisorctl]\nserverurl=unix:///tmp/s.sock ; URL\nusername=u\npassword=123\n"
	"prompt=mine\nhistory_file=~/.history\n\n"
	"[program:one]\ncommand=/bin/cat              ; program\n"
	"process_name=%(program_name)s ; "
	"name\nnumprocs=1\ndirectory=/tmp\numask=022\npriority=999\n"
	"autostart=true\nstartsecs=1\nstartretries=3\nautorestart=unexpected\nexitcodes=0\n"
	"stopsignal=QUIT\nstopwaitsecs=10\nstopasgroup=false\nkillasgroup=false\nuser=root\n"
	"redirect_stderr=false\nstdout_logfile=/tmp/o\nstdout_logfile_maxbytes=1MB\n"
	"stdout_logfile_backups=10\nstdout_capture_maxbytes=1MB\nstdout_events_enabled=false\n"
	"stdout_syslog=false\nstderr_logfile=/tmp/e\nstderr_logfile_maxbytes=1MB\n"
	"stderr_logfile_backups=10\nstderr_capture_maxbytes=1MB\nstderr_events_enabled=false\n"
	"stderr_syslog=false\nenvironment=A=\"1\",B=\"2\"\nserverurl=AUTO\n\n"
	"[fcgi-program:two]\ncommand=/usr/bin/php-cgi\nsocket=unix:///tmp/%(program_name)s.sock\n"
	"socket_owner=root\nsocket_mode=0700\nsocket_backlog=128\n"
	"process_name=%(program_name)s_%(process_num)02d\nnumprocs=5\n\n"
	"[eventlistener:three]\ncommand=/bin/listener\nevents=EVENT\nbuffer_size=10\n"
	"result_handler=supervisor.dispatchers:default_handler\n\n"
	"[group:four]\nprograms=one,two  ; members\npriority=999\n\n"
	"[include]\nfiles = /tmp/no_such_folder/*.ini\n";

Test(sv_setup, loads_a_whole_file_of_supervisord)
{
	char *said = sv_try_said(whole), *line = strtok(said, "\n");
	struct sv_setup *s = sv_try(whole);

	for (; line; line = strtok(NULL, "\n")) /* not as root: about users */
		check_true(geteuid() && strstr(line, "only root"));
	check_int(s->process_count, 7);
	check_str(s->http[0].password, "p%1");
	check_str(s->groups[0].name, "three");
	check_int(sv_setup_group(s, "four")->count, 6);
	check_int(s->main.conf->loglevel, SV_LEVEL_DEBUG);
	free(said);
	sv_setup_drop(s);
}

Test(sv_setup, the_reference_loads_as_it_is)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	conf_reference(out, sv_sections);
	fclose(out);
	char *said = sv_try_said(text);
	check_str(said, "");
	check_true(strstr(text, "\n;[program NAME]\n") && strstr(text, "\n;[unix_http_server]\n"));
	check_true(strstr(text, "; And all other keys of [program NAME]."));
	free(said);
	free(text);
}
