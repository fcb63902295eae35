#include "roles/jobd/jd_keys.h"

#include "roles/jobd/jd_source.h"

const struct conf_key jd_rows[] = {
	{ .name = "http",
	  .type = CONF_LIST,
	  .offset = CONF_AT(struct jd_keys, api.listen, char **),
	  .dflt = "127.0.0.1:9501",
	  .help = "Addresses of the HTTP API, as 127.0.0.1:9501 or unix:/run/troupe/jobd.api." },
	CONF_KEY_LIST(struct jd_keys, beanstalk,
		      .help = "Addresses for clients of beanstalkd, as 127.0.0.1:11300. Nobody is "
			      "asked who he is: keep them to loopback, or to a unix socket."),
	CONF_KEY_SIZE(struct jd_keys, max_job, .dflt = "1MiB", .min = "1KiB", .max = "64MiB",
		      .help = "The largest job of a beanstalk client: JOB_TOO_BIG above it."),
	CONF_KEY_INT(struct jd_keys, max_watched, .dflt = "256", .min = "1", .max = "10000",
		     .help = "Tubes that a beanstalk client may watch: OUT_OF_MEMORY above it."),
	CONF_KEY_SIZE(struct jd_keys, max_unread, .dflt = "256KiB", .min = "64KiB", .max = "16MiB",
		      .help = "Answers that a client has not read: above it nothing more is read "
			      "from it."),
	CONF_MORE(api_rows),
};

const struct jd_keys *jd_keys_of(const struct conf *conf)
{
	return conf_get(conf, "jobd");
}

void jd_keys_check(const struct conf *conf, struct conf_errors *errors)
{
	api_keys_check(conf, "jobd", errors);
	api_addresses_check(conf_find(conf, "jobd", ""), "beanstalk", jd_keys_of(conf)->beanstalk,
			    errors);
	jd_sources_check(conf, errors);
}
