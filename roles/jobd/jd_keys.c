#include "roles/jobd/jd_keys.h"

#include "roles/jobd/jd_source.h"

const struct conf_key jd_rows[] = {
	{ .name = "http",
	  .type = CONF_LIST,
	  .offset = CONF_AT(struct jd_keys, api.listen, char **),
	  .dflt = "127.0.0.1:9501",
	  .help = "Addresses of the HTTP API, as 127.0.0.1:9501 or unix:/run/troupe/jobd.api." },
	CONF_MORE(api_rows),
};

const struct jd_keys *jd_keys_of(const struct conf *conf)
{
	return conf_get(conf, "jobd");
}

void jd_keys_check(const struct conf *conf, struct conf_errors *errors)
{
	api_keys_check(conf, "jobd", errors);
	jd_sources_check(conf, errors);
}
