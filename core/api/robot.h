/*
 * api_robot - what a chat robot, a web hook or a command is told of an alarm, and where.
 *
 *	DingTalk, WeCom	{"msgtype":"text","text":{"content":"..."}}	answers {"errcode":0}
 *	Feishu		{"msg_type":"text","content":{"text":"..."}}	{"code":0}
 *	Slack		{"text":"..."}
 *	webhook, exec	{"event","subject","text","host","at","more"}
 *
 * With a secret DingTalk's address ends with timestamp (ms) and sign, the base64 of
 * HMAC-SHA256(secret, "timestamp\nsecret"); Feishu's message has timestamp (s) and sign, that of
 * HMAC-SHA256("timestamp\nsecret", "") (open.dingtalk.com and open.feishu.cn, "custom robots").
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/api/keys.h"

struct json_out;

struct api_robot_words {
	const char *event, *subject, *text;
	uint64_t more; /* times that it was not said */
	int64_t now;   /* ms since 1970 */
};

void api_robot_message(struct json_out *o, const struct api_alarm_keys *k,
		       const struct api_robot_words *w);

enum { API_ROBOT_URL = 2048 };
void api_robot_url(const struct api_alarm_keys *k, int64_t now, char url[API_ROBOT_URL]);

/* Of an answer with a status that says all is well: the robot's code if it refused; else 0. */
int64_t api_robot_refusal(enum api_alarm_type type, const void *body, size_t n);
