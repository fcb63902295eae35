#include "roles/jobd/jd_keys.h"

#include "roles/jobd/jd_source.h"
#include "roles/jobd/jd_zmq.h"

const struct conf_key jd_rows[] = {
	{ .name = "http",
	  .type = CONF_LIST,
	  .offset = CONF_AT(struct jd_keys, api.listen, char **),
	  .dflt = "127.0.0.1:9501",
	  .help = "Addresses of the HTTP API, as 127.0.0.1:9501 or unix:/run/troupe/jobd.api." },
	CONF_KEY_LIST(struct jd_keys, beanstalk,
		      .help = "Addresses for clients of beanstalkd, as 127.0.0.1:11300. Nobody is "
			      "asked who he is: keep them to loopback, or to a unix socket."),
	CONF_KEY_LIST(struct jd_keys, faktory,
		      .help = "Addresses for clients and workers of Faktory, as 127.0.0.1:7419."),
	CONF_KEY_STR(struct jd_keys, faktory_password, .flags = CONF_SECRET,
		     .help = "What they have to know. Without one nobody is asked who he is."),
	CONF_KEY_BOOL(struct jd_keys, faktory_flush, .dflt = "no",
		      .help = "Whether FLUSH deletes all jobs, of all topics, as it does there."),
	CONF_KEY_SIZE(struct jd_keys, faktory_line, .dflt = "4MiB", .min = "64KiB", .max = "64MiB",
		      .help = "The longest command of a Faktory client."),
	CONF_KEY_DURATION(struct jd_keys, faktory_grace, .dflt = "15s", .min = "0", .max = "10m",
			  .help = "A worker of Faktory that has no connection and says no BEAT for "
				  "so long is gone: its jobs run elsewhere."),
	CONF_KEY_LIST(
		struct jd_keys, zeromq,
		.help = "Addresses for REQ and DEALER sockets of ZeroMQ, as tcp://127.0.0.1:7555 "
			"or ipc:///path. A message is topic, id or nothing, options in JSON or "
			"nothing, payload; the answer, once it is stored: id, ok or err, why."),
	CONF_KEY_LIST(struct jd_keys, zeromq_pull,
		      .help = "Addresses for PUSH sockets: the same messages, and no answer."),
	CONF_KEY_LIST(struct jd_keys, zeromq_users, .flags = CONF_SECRET,
		      .help = "name:password words, one of which a client of ZeroMQ has to know "
			      "(PLAIN: seen by who sees the traffic)."),
	CONF_KEY_STR(struct jd_keys, zeromq_secret, .flags = CONF_SECRET,
		     .help = "Our secret key (Z85, 40 characters): ZeroMQ is encrypted then "
			     "(CURVE)."),
	CONF_KEY_LIST(struct jd_keys, zeromq_clients,
		      .help = "With that, the public keys of clients that may come in; empty: all "
			      "who know ours."),
	CONF_KEY_INT(struct jd_keys, zeromq_queue, .dflt = "1000", .min = "1", .max = "1000000",
		     .help = "Messages of a ZeroMQ client that wait for us, at most."),
	CONF_KEY_INT(
		struct jd_keys, zeromq_answers, .dflt = "10000", .min = "1", .max = "1000000",
		.help = "Answers that wait for a ZeroMQ client to read, at most; it is not told "
			"what comes beyond."),
	CONF_KEY_SIZE(
		struct jd_keys, max_job, .dflt = "1MiB", .min = "1KiB", .max = "64MiB",
		.help = "The largest job of a beanstalk client (JOB_TOO_BIG above it), and the "
			"largest part of a ZeroMQ message (it is cut off above it)."),
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
	api_addresses_check(conf_find(conf, "jobd", ""), "faktory", jd_keys_of(conf)->faktory,
			    errors);
	jd_zmq_check(conf, errors);
	jd_sources_check(conf, errors);
}
