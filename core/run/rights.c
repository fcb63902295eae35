#include "core/run/rights.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/log/log.h"
#include "core/run/settings.h"

void rights_raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int become(uid_t uid, gid_t gid, struct err *err)
{
	if (setgroups(1, &gid) != 0 || setgid(gid) != 0 || setuid(uid) != 0)
		return err_set(err, -errno, "cannot give up root's rights: %s", strerror(errno));
	if (uid != 0 && setuid(0) == 0)
		return err_set(err, UV_EPERM, "root's rights could be taken back");
	return 0;
}

int rights_drop(const struct settings *s, struct err *err)
{
	const struct passwd *user = s->user && *s->user ? getpwnam(s->user) : NULL;
	const struct group *group = s->group && *s->group ? getgrnam(s->group) : NULL;

	if (!user && !group)
		return 0;
	if (geteuid() != 0) {
		log_warn("user and group are only for a start as root, going on as we are");
		return 0;
	}
	uid_t uid = user ? user->pw_uid : geteuid();
	gid_t gid = group ? group->gr_gid : user->pw_gid;
	log_chown(uid, gid);
	return become(uid, gid, err);
}
