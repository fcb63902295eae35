/* jd_keys - the section of jobd. */
#pragma once

#include "core/api/keys.h"

struct jd_keys {
	struct api_keys api; /* first; http is its listen */
	char **beanstalk;
	char **zeromq, **zeromq_pull, **zeromq_users, **zeromq_clients;
	char *zeromq_secret;
	char **faktory, *faktory_password;
	bool faktory_flush;
	int64_t faktory_line, faktory_grace;
	int64_t zeromq_queue, zeromq_answers;
	int64_t max_job, max_watched, max_unread;
};

extern const struct conf_key jd_rows[];

const struct jd_keys *jd_keys_of(const struct conf *conf);
void jd_keys_check(const struct conf *conf, struct conf_errors *errors);
