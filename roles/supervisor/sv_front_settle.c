/* What [supervisord] asks of the process: limits, umask, pidfile, old AUTO logs, rights. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/conf/conf.h"
#include "core/log/log.h"
#include "core/run/rights.h"
#include "core/run/run.h"
#include "core/run/settings.h"
#include "roles/supervisor/sv.h"
#include "roles/supervisor/sv_front.h"
#include "roles/supervisor/sv_proc.h"
#include "roles/supervisor/sv_setup.h"
#include "roles/supervisor/sv_team.h"

static const struct conf_item *section(const struct sv *sv)
{
	return conf_find(sv->setup->conf, "supervisord", "");
}

/* ---- limits -------------------------------------------------------------------------------- */

/* Raised where it may be. Where the file asks for it, it is an error when it can't be had. */
static int at_least(const struct sv *sv, int resource, const char *key, int64_t least,
		    struct err *err)
{
	struct rlimit now;
	rlim_t want = (rlim_t)least;

	if (getrlimit(resource, &now) != 0 || now.rlim_cur == RLIM_INFINITY || now.rlim_cur >= want)
		return 0;
	struct rlimit more = { want, now.rlim_max < want ? want : now.rlim_max };
	if (setrlimit(resource, &more) == 0)
		return 0;
	if (conf_has(section(sv), key))
		return err_set(err, UV_EPERM, "%s = %lld, but only %lld are allowed to us", key,
			       (long long)least, (long long)now.rlim_max);
	log_warn("%s is %lld, but only %lld are allowed to us", key, (long long)least,
		 (long long)now.rlim_max);
	return 0;
}

/* ---- logs of an earlier run ------------------------------------------------------------------ */

/* Only in a folder that the file names: what lies in /tmp may be of another supervisor that runs.
 */
static bool names(const char *log, const char *name)
{
	return log && strstr(log, name);
}

static bool is_in_use(const struct sv *sv, const char *name)
{
	struct list *it, *tmp, *in, *next;

	list_each (it, tmp, &sv->teams)
		list_each (in, next, &container_of(it, struct sv_team, link)->procs) {
			const struct sv_proc *p = container_of(in, struct sv_proc, link);
			if (names(p->auto_out, name) || names(p->auto_err, name))
				return true;
		}
	return false;
}

void sv_front_clean(const struct sv *sv)
{
	const struct sv_main *m = &sv->setup->main;
	const char *name = m->conf->identifier ? m->conf->identifier : "";
	char pattern[300];

	if (m->conf->nocleanup || !conf_has(section(sv), "childlogdir") || !*name ||
	    strpbrk(name, "*?[\\"))
		return;
	snprintf(pattern, sizeof(pattern), "*-std*---%.200s-*.log*", name);
	DIR *folder = opendir(m->childlogdir);
	for (const struct dirent *e; folder && (e = readdir(folder));)
		if (fnmatch(pattern, e->d_name, 0) == 0 && !is_in_use(sv, e->d_name) &&
		    unlinkat(dirfd(folder), e->d_name, 0))
			log_warn("cannot remove the old log %s/%s: %s", m->childlogdir, e->d_name,
				 strerror(errno));
	if (folder)
		closedir(folder);
}

/* ---- pidfile ----------------------------------------------------------------------------------
 */

static void write_pidfile(const struct sv *sv)
{
	const char *path = sv->setup->main.pidfile;

	if (!conf_has(section(sv), "pidfile"))
		return;
	FILE *out = fopen(path, "we");
	if (!out || fprintf(out, "%d\n", (int)getpid()) < 0)
		log_error("cannot write the pidfile %s: %s", path, strerror(errno));
	if (out)
		fclose(out);
}

void sv_front_leave(struct sv *sv)
{
	const char *path = sv->setup->main.pidfile;
	int pid = 0;

	if (!conf_has(section(sv), "pidfile"))
		return;
	FILE *in = fopen(path, "re");
	bool ours = in && fscanf(in, "%d", &pid) == 1 && pid == (int)getpid();
	if (in)
		fclose(in);
	if (ours)
		unlink(path);
}

/* ---- all ----------------------------------------------------------------------------------------
 */

static bool is_stdio(const char *path)
{
	return strncmp(path, "/dev/std", 8) == 0 || strncmp(path, "/dev/fd/", 8) == 0;
}

int sv_front_settle(struct sv *sv, struct err *err)
{
	const struct sv_main *m = &sv->setup->main;
	int rc = at_least(sv, RLIMIT_NOFILE, "minfds", m->conf->minfds, err);

	if (!rc)
		rc = at_least(sv, RLIMIT_NPROC, "minprocs", m->conf->minprocs, err);
	if (rc)
		return rc;
	if (m->umask >= 0)
		umask((mode_t)m->umask);
	if (run_options(sv->run)->report < 0 && !m->conf->silent && !log_to_stderr() &&
	    conf_has(section(sv), "logfile") && !is_stdio(m->logfile))
		log_also(STDOUT_FILENO);
	write_pidfile(sv);
	if (run_options(sv->run)->front)
		return 0;
	return rights_drop(settings_of(sv->setup->conf), err); /* before any program runs */
}
