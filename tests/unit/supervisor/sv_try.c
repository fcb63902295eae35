#include "tests/unit/supervisor/sv_try.h"

#include <stdlib.h>

#include "core/base/err.h"
#include "tests/lib/check.h"

char *sv_try_said(const char *text)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	char *said = NULL;
	size_t size;
	FILE *out = open_memstream(&said, &size);

	conf_parse(text, "/etc/sv.conf", sv_sections, &conf, &errors);
	sv_setup_check(conf, &errors);
	conf_errors_print(&errors, out);
	conf_warnings_print(&errors, out);
	fclose(out);
	conf_errors_fini(&errors);
	conf_free(conf);
	return said;
}

struct sv_setup *sv_try(const char *text)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;
	struct err err = { 0 };

	conf_parse(text, "/etc/sv.conf", sv_sections, &conf, &errors);
	conf_errors_print(&errors, stderr);
	cr_assert(errors.count == 0);
	struct sv_setup *s = sv_setup_new(conf, &err);
	if (!s)
		fprintf(stderr, "%s\n", err.text);
	cr_assert(s != NULL);
	conf_errors_fini(&errors);
	conf_free(conf);
	return s;
}

const struct sv_process_conf *sv_try_process(const struct sv_setup *s, const char *group,
					     const char *name)
{
	const struct sv_group *g = sv_setup_group(s, group);

	cr_assert(g != NULL);
	const struct sv_process_conf *p = sv_group_process(g, name);
	cr_assert(p != NULL);
	return p;
}
