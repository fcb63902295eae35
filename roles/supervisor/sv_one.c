/*
 * troupe --one COMMAND: process 1 of a container with one program, as tini and dumb-init are.
 *
 * The program gets a process group, and the terminal, of its own. Every signal goes to it (-g: to
 * its group), -r turns one into another; every child that dies is buried; when the program ends, so
 * do we, with its exit code, 128 + the signal that killed it, or 0 where -e says so.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/err.h"
#include "roles/supervisor/sv_front.h"
#include "roles/supervisor/sv_parse.h"

enum { EXIT_BAD = 2, NOT_EXECUTABLE = 126, NOT_FOUND = 127, BY_SIGNAL = 128, SIGNALS = 65 };

struct one {
	bool group;
	int death;         /* the signal that our parent's end means; 0: none */
	int into[SIGNALS]; /* 0: it is dropped */
	bool remap[256];
	pid_t pid;
	sigset_t before;
};

static const char usage[] =
	"troupe --one [-g] [-e CODE] [-p SIGNAL] [-r FROM:TO] [-s] [--] COMMAND ...\n"
	"-g  signals go to the command's process group\n"
	"-e  that exit code of the command is our 0; may be repeated\n"
	"-p  we get that signal when our parent dies\n"
	"-r  one signal becomes another, or none (0); may be repeated\n"
	"-s  adopt orphans also when we are not process 1 (always so)\n";

static int signal_of(const char *text)
{
	struct err err = { 0 };
	int sig;

	if (strcmp(text, "0") == 0)
		return 0;
	if (sv_parse_signal(text, &sig, &err) == 0)
		return sig;
	fprintf(stderr, "troupe: %s\n", err.text);
	return -1;
}

static bool take_rewrite(struct one *o, char *text)
{
	char *colon = strchr(text, ':');

	if (colon)
		*colon = '\0';
	int from = colon ? signal_of(text) : -1, to = colon ? signal_of(colon + 1) : -1;
	if (from > 0 && to >= 0 && from < SIGNALS)
		o->into[from] = to;
	return from > 0 && to >= 0;
}

static bool take_code(struct one *o, const char *text)
{
	char *end;
	long code = strtol(text, &end, 10);

	if (*end || code < 0 || code > 255)
		return false;
	o->remap[code] = true;
	return true;
}

static bool take(struct one *o, int letter)
{
	switch (letter) {
	case 'g':
		o->group = true;
		return true;
	case 's':
		return true;
	case 'e':
		return take_code(o, optarg);
	case 'p':
		o->death = signal_of(optarg);
		return o->death > 0;
	case 'r':
		return take_rewrite(o, optarg);
	default:
		return false;
	}
}

/* ---- the program ------------------------------------------------------------------------- */

static void become(const struct one *o, char **argv)
{
	setpgid(0, 0);
	if (isatty(STDIN_FILENO)) {
		signal(SIGTTOU, SIG_IGN); /* or we would be stopped here */
		tcsetpgrp(STDIN_FILENO, getpgrp());
		signal(SIGTTOU, SIG_DFL);
	}
	sigprocmask(SIG_SETMASK, &o->before, NULL);
	execvp(argv[0], argv);
	int code = errno;
	fprintf(stderr, "troupe: %s: %s\n", argv[0], strerror(code));
	_exit(code == ENOENT ? NOT_FOUND : NOT_EXECUTABLE);
}

static int exit_of(const struct one *o, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : BY_SIGNAL + WTERMSIG(status);

	return code < 256 && o->remap[code] ? 0 : code;
}

/* Buries all that died. true: the program, too. */
static bool reap(const struct one *o, int *status)
{
	bool ended = false;
	int one;
	pid_t pid;

	while ((pid = waitpid(-1, &one, WNOHANG)) > 0)
		if (pid == o->pid) {
			*status = one;
			ended = true;
		}
	return ended || (pid < 0 && errno == ECHILD);
}

static void forward(const struct one *o, int sig)
{
	int as = sig < SIGNALS ? o->into[sig] : sig;

	if (as)
		kill(o->group ? -o->pid : o->pid, as);
}

static int watch(const struct one *o, const sigset_t *all)
{
	int status = 0, sig;

	for (;;) {
		if (sigwait(all, &sig) != 0)
			continue;
		if (sig != SIGCHLD)
			forward(o, sig);
		else if (reap(o, &status))
			return exit_of(o, status);
	}
}

int sv_one_main(int argc, char **argv)
{
	static const int ours[] = { SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS };
	struct one o = { .pid = 0 };
	sigset_t all;
	int letter;

	for (int i = 0; i < SIGNALS; i++)
		o.into[i] = i;
	optind = 1;
	while ((letter = getopt(argc, argv, "+gse:p:r:")) != -1)
		if (!take(&o, letter)) {
			fputs(usage, stderr);
			return EXIT_BAD;
		}
	if (optind == argc) {
		fputs(usage, stderr);
		return EXIT_BAD;
	}
	sigfillset(&all);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		sigdelset(&all, ours[i]);
	sigprocmask(SIG_SETMASK, &all, &o.before);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (o.death)
		prctl(PR_SET_PDEATHSIG, o.death);
	o.pid = fork();
	if (o.pid == 0)
		become(&o, argv + optind);
	if (o.pid < 0) {
		perror("troupe: fork");
		return 1;
	}
	setpgid(o.pid, o.pid); /* the child does so, too: whoever comes first */
	return watch(&o, &all);
}

int sv_front_one(const struct conf_section *sections, int argc, char **argv)
{
	(void)sections;
	return sv_one_main(argc, argv);
}
