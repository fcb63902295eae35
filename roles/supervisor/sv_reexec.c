/*
 * All that has to survive is where a kill -9 would find it (sv_adopt), so the new image starts as
 * after a crash; but the processes still are our children, and their ends are told to us.
 */
#include "roles/supervisor/sv_reexec.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/log/log.h"
#include "core/run/run.h"
#include "roles/supervisor/sv.h"

enum { ANSWER_LEAVES = 20 /* ms */ };

/* Where we were started from; a new file may be there by now. */
static bool own_path(char path[PATH_MAX])
{
	static const char deleted[] = " (deleted)";
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

	if (n <= 0)
		return false;
	path[n] = '\0';
	size_t cut = sizeof(deleted) - 1;
	if ((size_t)n > cut && strcmp(path + n - cut, deleted) == 0)
		path[(size_t)n - cut] = '\0';
	return access(path, X_OK) == 0;
}

/* What is executed, with which configuration; or a code. */
static int prepare(const struct sv *sv, char self[PATH_MAX], char conf[PATH_MAX], struct err *err)
{
	const char *file = run_conf_path(sv->run);

	if (sv->keeper.link < 0 || !sv->memory.slots)
		return err_set(err, UV_ENOTSUP, "adopt is off, or its files can't be written");
	if (sv->stopping)
		return err_set(err, UV_EBUSY, "the process is about to end");
	if (!own_path(self))
		return err_set(err, UV_ENOENT, "there is no program where this one came from");
	if (!file || !realpath(file, conf))
		return err_set(err, UV_ENOENT, "%s: %s", file ? file : "the configuration",
			       strerror(errno));
	return 0;
}

static void on_soon(uv_timer_t *t)
{
	struct err err = { 0 };

	sv_reexec(t->data, &err);
	log_error("not executed anew: %s", err.text);
}

int sv_reexec_soon(struct sv *sv, struct err *err)
{
	char self[PATH_MAX], conf[PATH_MAX];
	int rc = prepare(sv, self, conf, err);

	if (!rc)
		uv_timer_start(&sv->anew, on_soon, ANSWER_LEAVES, 0);
	return rc;
}

int sv_reexec(struct sv *sv, struct err *err)
{
	char self[PATH_MAX], conf[PATH_MAX];
	int rc = prepare(sv, self, conf, err);
	sigset_t none;

	if (rc)
		return rc;
	log_info("executing %s anew", self);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	char *const usual[] = { (char *)"troupe", (char *)"supervisor", conf, NULL };
	char *const *again = run_options(sv->run)->again;
	execv(self, again ? again : usual);
	return err_set(err, uv_translate_sys_error(errno), "exec %s: %s", self, strerror(errno));
}
