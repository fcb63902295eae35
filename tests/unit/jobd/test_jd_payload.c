#include "roles/jobd/jd_payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/jsontext.h"
#include "core/work/work.h"
#include "tests/lib/check.h"

static struct jd_payload payload_of(enum jd_format format, const char *text)
{
	const struct jd_payload_rules rules = { .format = format };
	struct jd_payload p;

	jd_payload_read(&p, text, strlen(text), &rules);
	return p;
}

Test(jd_payload, reads_what_sidekiq_says)
{
	static const struct {
		const char *text;
		int max_attempts, attempts;
		const char *type;
	} cases[] = {
		{ "{\"class\":\"A::B\",\"args\":[],\"retry\":true}", 0, 0, "A::B" },
		{ "{\"class\":\"A\",\"retry\":false}", 1, 0, "A" },
		{ "{\"class\":\"A\",\"retry\":0}", 1, 0, "A" },
		{ "{\"class\":\"A\",\"retry\":3,\"retry_count\":0}", 4, 1, "A" },
		{ "{\"retry\":99999999,\"retry_count\":99999999}", 1000, 1000, "" },
		{ "{\"class\":7,\"retry\":-1,\"retry_count\":-1}", 0, 0, "" },
		{ "no JSON", 0, 0, "" },
		{ "[]", 0, 0, "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct jd_payload p = payload_of(JD_SIDEKIQ, cases[i].text);
		check_int(p.max_attempts, cases[i].max_attempts);
		check_int(p.attempts, cases[i].attempts);
		check_str(p.type, cases[i].type);
		check_true(p.p == cases[i].text && !p.own && p.prio == WORK_PRIO);
		jd_payload_fini(&p);
	}
}

Test(jd_payload, reads_what_laravel_says)
{
	char text[200];
	int64_t until = time(NULL) + 100;

	snprintf(text, sizeof(text),
		 "{\"displayName\":\"App\\\\Jobs\\\\Mail\",\"maxTries\":5,\"timeout\":30,"
		 "\"attempts\":2,"
		 "\"retryUntil\":%lld}",
		 (long long)until);
	struct jd_payload p = payload_of(JD_LARAVEL, text);
	check_str(p.type, "App\\Jobs\\Mail");
	check_int(p.max_attempts, 5);
	check_int(p.attempts, 2);
	check_int(p.timeout, 30000);
	check_int(p.expires_at, until * 1000);
	jd_payload_fini(&p);

	p = payload_of(JD_LARAVEL, "{\"maxTries\":null,\"timeout\":null,\"retryUntil\":1}");
	check_int(p.max_attempts, 0);
	check_int(p.timeout, 0);
	check_int(p.expires_at, 1000);
	jd_payload_fini(&p);
}

Test(jd_payload, reads_laravels_backoff)
{
	static const struct {
		const char *json, *backoff;
	} cases[] = {
		{ "7", "list 7s" },
		{ "\"7\"", "list 7s" },
		{ "\"0\"", "list 0s" },
		{ "\"1,5,10\"", "list 1s,5s,10s" },
		{ "[1, 5]", "list 1s,5s" },
		{ "\"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17\"",
		  "list 1s,2s,3s,4s,5s,6s,7s,8s,9s,10s,11s,12s,13s,14s,15s,16s" },
		{ "\"31622400\"", "list 31622400s" },
		{ "\"31622401\"", "" },
		{ "99999999999999999999999", "" },
		{ "-1", "" },
		{ "1.5", "" },
		{ "\"1,x\"", "" },
		{ "\"\"", "" },
		{ "[]", "" },
		{ "null", "" },
		{ "true", "" },
		{ "{\"a\":1}", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct backoff b;
		char text[200];

		snprintf(text, sizeof(text), "{\"backoff\":%s}", cases[i].json);
		struct jd_payload p = payload_of(JD_LARAVEL, text);
		check_str(p.backoff, cases[i].backoff);
		check_true(!*p.backoff || backoff_parse(&b, p.backoff, NULL) == 0);
		jd_payload_fini(&p);
	}
}

static char *complete(const char *text)
{
	size_t n = 0;
	char *p = jd_payload_complete(JD_SIDEKIQ, "mail", text, strlen(text), &n);

	if (p)
		check_int(strlen(p), n);
	return p;
}

Test(jd_payload, completes_a_job_for_sidekiq)
{
	struct json doc, jid, queue, retry, args, at;
	char *whole = complete(" {\"class\":\"A\",\"retry\":2} ");

	check_int(json_read(&doc, whole, strlen(whole), NULL), 0);
	jid = json_get(&doc, "jid");
	queue = json_get(&doc, "queue");
	retry = json_get(&doc, "retry");
	args = json_get(&doc, "args");
	at = json_get(&doc, "enqueued_at");
	check_int(jid.n, 26);
	check_true(json_is(&queue, "mail") && retry.n == 1 && args.kind == JSON_ARRAY &&
		   at.kind == JSON_NUMBER);
	free(whole);
	check_true(complete("{\"class\":\"A\",\"jid\":\"x\"}") == NULL);
	check_true(complete("{\"args\":[]}") == NULL);
	check_true(complete("[1]") == NULL);
	check_true(complete("{") == NULL);
	check_true(jd_payload_complete(JD_RAW, "t", "{\"class\":1}", 11, NULL) == NULL);
}
