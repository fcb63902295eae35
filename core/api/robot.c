#include "core/api/robot.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/api/spec.h"
#include "core/base/jsontext.h"
#include "core/net/digest.h"

enum { SIGN = 45, HOST = 100 };

static bool is_signed(const struct api_alarm_keys *k)
{
	return k->secret && *k->secret &&
	       (k->type == API_ALARM_DINGTALK || k->type == API_ALARM_FEISHU);
}

/* In base64. */
static void sign(const char *key, const char *text, char out[SIGN])
{
	const uv_buf_t piece = { .base = (char *)text, .len = strlen(text) };
	struct json_out o = { .p = NULL };
	char hex[DIGEST_HEX];
	unsigned char raw[32];

	digest_hmac(key, &piece, 1, hex);
	for (size_t i = 0; i < sizeof(raw); i++) {
		const char two[3] = { hex[2 * i], hex[2 * i + 1], '\0' };
		raw[i] = (unsigned char)strtol(two, NULL, 16);
	}
	api_base64_put(&o, raw, sizeof(raw));
	snprintf(out, SIGN, "%.*s", (int)o.n, o.p);
	json_out_fini(&o);
}

/* ---- the message ---------------------------------------------------------------------------- */

static void put_text(struct json_out *o, const struct api_robot_words *w)
{
	char host[HOST] = "", *all;
	size_t n;

	gethostname(host, sizeof(host) - 1);
	FILE *out = open_memstream(&all, &n);
	fprintf(out, "troupe at %s: %s, %s%s%s", host, w->event, w->subject, *w->text ? ": " : "",
		w->text);
	if (w->more)
		fprintf(out, " (and %" PRIu64 " more)", w->more);
	fclose(out);
	json_put_string(o, all, n);
	free(all);
}

static void put_event(struct json_out *o, const struct api_robot_words *w)
{
	char host[HOST] = "";

	gethostname(host, sizeof(host) - 1);
	json_printf(o, "{\"event\":\"%s\",\"subject\":", w->event);
	json_put_text(o, w->subject);
	json_puts(o, ",\"text\":");
	json_put_text(o, w->text);
	json_puts(o, ",\"host\":");
	json_put_text(o, host);
	json_printf(o, ",\"at\":%" PRId64 ",\"more\":%" PRIu64 "}\n", w->now, w->more);
}

static void put_sign(struct json_out *o, const struct api_alarm_keys *k, int64_t now)
{
	char key[600], out[SIGN];

	snprintf(key, sizeof(key), "%" PRId64 "\n%.512s", now / 1000, k->secret);
	sign(key, "", out);
	json_printf(o, ",\"timestamp\":\"%" PRId64 "\",\"sign\":\"%s\"", now / 1000, out);
}

void api_robot_message(struct json_out *o, const struct api_alarm_keys *k,
		       const struct api_robot_words *w)
{
	static const char *const before[] = {
		[API_ALARM_DINGTALK] = "{\"msgtype\":\"text\",\"text\":{\"content\":",
		[API_ALARM_WECOM] = "{\"msgtype\":\"text\",\"text\":{\"content\":",
		[API_ALARM_FEISHU] = "{\"msg_type\":\"text\",\"content\":{\"text\":",
		[API_ALARM_SLACK] = "{\"text\":",
	};

	if (k->type >= API_ALARM_WEBHOOK) {
		put_event(o, w);
		return;
	}
	json_puts(o, before[k->type]);
	put_text(o, w);
	if (k->type != API_ALARM_SLACK)
		json_puts(o, "}");
	if (k->type == API_ALARM_FEISHU && is_signed(k))
		put_sign(o, k, w->now);
	json_puts(o, "}");
}

/* ---- where to ---------------------------------------------------------------------------------
 */

static void sign_url(const char *secret, int64_t now, char *url)
{
	char text[600], out[SIGN], *at = url + strlen(url), *end = url + API_ROBOT_URL;

	snprintf(text, sizeof(text), "%" PRId64 "\n%.512s", now, secret);
	sign(secret, text, out);
	at += snprintf(at, (size_t)(end - at),
		       "%ctimestamp=%" PRId64 "&sign=", strchr(url, '?') ? '&' : '?', now);
	for (const char *p = out; *p && at + 4 < end; p++)
		at += snprintf(at, (size_t)(end - at), strchr("+/=", *p) ? "%%%02X" : "%c", *p);
}

void api_robot_url(const struct api_alarm_keys *k, int64_t now, char url[API_ROBOT_URL])
{
	static const char *const robots[] = {
		[API_ALARM_DINGTALK] = "https://oapi.dingtalk.com/robot/send?access_token=",
		[API_ALARM_WECOM] = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=",
		[API_ALARM_FEISHU] = "https://open.feishu.cn/open-apis/bot/v2/hook/",
	};
	enum { SPARE = 200 };

	if (k->url && *k->url)
		snprintf(url, API_ROBOT_URL - SPARE, "%s", k->url);
	else
		snprintf(url, API_ROBOT_URL - SPARE, "%s%s", robots[k->type], k->token);
	url[strcspn(url, "\r\n")] = '\0';
	if (k->type == API_ALARM_DINGTALK && is_signed(k))
		sign_url(k->secret, now, url);
}

int64_t api_robot_refusal(enum api_alarm_type type, const void *body, size_t n)
{
	const char *name = type == API_ALARM_FEISHU ? "code" : "errcode";
	struct json doc, code;
	int64_t number = 0;

	if (type >= API_ALARM_SLACK || json_read(&doc, body, n, NULL) != 0)
		return 0;
	code = json_get(&doc, name);
	return json_int(&code, &number) ? number : 0;
}
