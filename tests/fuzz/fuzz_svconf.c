/*
 * Feeds what reads a supervisor's configuration: the first byte says which part - whole files with
 * all that is made of them, commands, environments, names in per cent signs, schedules, and the
 * literals of PHP and JavaScript.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/cron.h"
#include "core/base/err.h"
#include "core/base/words.h"
#include "core/base/zone.h"
#include "core/conf/percent.h"
#include "roles/supervisor/sv_import.h"
#include "roles/supervisor/sv_literal.h"
#include "roles/supervisor/sv_setup.h"

/* The disk and the users of this machine are not what is tested here. */
static void whole(const char *text)
{
	struct conf_errors errors = { 0 };
	struct conf *conf;

	if (strcasestr(text, "include") || strcasestr(text, "env_file") || strstr(text, "@/"))
		return;
	conf_parse(text, "fuzz.conf", sv_sections, &conf, &errors);
	sv_setup_check(conf, &errors);
	struct sv_setup *s = errors.count ? NULL : sv_setup_new(conf, NULL);
	if (s)
		sv_setup_diff(s, s, NULL, NULL); /* nothing differs: nobody is told */
	sv_setup_drop(s);
	conf_free(conf);
	conf_errors_fini(&errors);
}

static void words(const char *text)
{
	static char a[] = "A=1";
	char *env[] = { a, NULL };
	struct percent with = { .envs = { env } };
	struct err err;

	words_free(words_split(text, &err));
	words_free(words_env(text, &err));
	free(percent_expand(text, &with, &err));
}

static void times(const char *text)
{
	struct err err;
	struct cron *c = cron_new(text, &err);
	struct zone *z = zone_parse(text, strlen(text), &err);

	for (int64_t t = 1700000000; c && t >= 0 && t < 1700000000 + 400000000; t += 40000000)
		cron_next(c, t);
	for (int64_t t = -4000000000; z && t < 8000000000; t += 100000000)
		zone_moment(z, t);
	cron_free(c);
	zone_free(z);
}

static void literals(const char *text, int which)
{
	struct err err;
	FILE *out = fopen("/dev/null", "w");

	json_decref(sv_literal_read(text, which ? SV_PHP : SV_JS, "f", out, &err));
	if (which)
		sv_import_multiprocess(text, "f", out, &err);
	else
		sv_import_pm2(text, "f", out, &err);
	sv_import_procfile(text, "f", out, &err);
	fclose(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	char *text = malloc(size);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (*data % 8) {
	case 0:
		words(text);
		break;
	case 1:
		times(text);
		break;
	case 2:
		literals(text, 0);
		break;
	case 3:
		literals(text, 1);
		break;
	case 4: {
		struct err err;
		zone_free(zone_parse(data + 1, size - 1, &err));
		break;
	}
	default:
		whole(text);
	}
	free(text);
	return 0;
}
