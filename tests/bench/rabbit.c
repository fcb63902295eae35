/*
 * A plain consumer of RabbitMQ, as one writes it with librabbitmq: it waits for a message,
 * acknowledges it, and waits for the next one. And what fills the queue before.
 *
 *   rabbit fill  PORT QUEUE N           persistent messages of 100 bytes, all confirmed
 *   rabbit drain PORT QUEUE N PREFETCH  prints the seconds from the first to the last
 */
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static amqp_connection_state_t mq;

static void must(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "rabbit: %s\n", what);
		exit(1);
	}
}

static void must_reply(const char *what)
{
	must(amqp_get_rpc_reply(mq).reply_type == AMQP_RESPONSE_NORMAL, what);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void open_link(int port)
{
	mq = amqp_new_connection();
	amqp_socket_t *s = amqp_tcp_socket_new(mq);
	must(s && amqp_socket_open(s, "127.0.0.1", port) == 0, "connect");
	must(amqp_login(mq, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest")
			     .reply_type == AMQP_RESPONSE_NORMAL,
	     "login");
	amqp_channel_open(mq, 1);
	must_reply("channel");
}

static void fill(amqp_bytes_t queue, int n)
{
	amqp_basic_properties_t props = { ._flags = AMQP_BASIC_DELIVERY_MODE_FLAG,
					  .delivery_mode = AMQP_DELIVERY_PERSISTENT };
	char body[100];
	amqp_frame_t frame;
	uint64_t confirmed = 0;

	memset(body, 'x', sizeof(body));
	amqp_confirm_select(mq, 1);
	must_reply("confirm");
	for (int i = 0; i < n; i++)
		must(amqp_basic_publish(mq, 1, amqp_empty_bytes, queue, 0, 0, &props,
					(amqp_bytes_t){ .bytes = body, .len = sizeof(body) }) == 0,
		     "publish");
	while (confirmed < (uint64_t)n) {
		must(amqp_simple_wait_frame(mq, &frame) == 0, "wait");
		must(frame.payload.method.id == AMQP_BASIC_ACK_METHOD, "ack");
		const amqp_basic_ack_t *ack = frame.payload.method.decoded;
		confirmed = ack->delivery_tag;
		amqp_maybe_release_buffers(mq);
	}
}

static void drain(amqp_bytes_t queue, int n, int prefetch)
{
	amqp_envelope_t e;

	amqp_basic_qos(mq, 1, 0, (uint16_t)prefetch, 0);
	must_reply("qos");
	double start = now();
	amqp_basic_consume(mq, 1, queue, amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
	must_reply("consume");
	for (int i = 0; i < n; i++) {
		amqp_maybe_release_buffers(mq);
		must(amqp_consume_message(mq, &e, NULL, 0).reply_type == AMQP_RESPONSE_NORMAL,
		     "message");
		must(amqp_basic_ack(mq, 1, e.delivery_tag, 0) == 0, "ack");
		amqp_destroy_envelope(&e);
	}
	amqp_channel_close(mq, 1, AMQP_REPLY_SUCCESS); /* all acknowledgements have arrived */
	printf("%.6f\n", now() - start);
}

int main(int argc, char **argv)
{
	must(argc >= 5, "fill|drain PORT QUEUE N [PREFETCH]");
	amqp_bytes_t queue = amqp_cstring_bytes(argv[3]);
	open_link(atoi(argv[2]));
	amqp_queue_declare(mq, 1, queue, 0, 1, 0, 0, amqp_empty_table);
	must_reply("declare");
	if (strcmp(argv[1], "fill") == 0)
		fill(queue, atoi(argv[4]));
	else
		drain(queue, atoi(argv[4]), argc > 5 ? atoi(argv[5]) : 64);
	amqp_connection_close(mq, AMQP_REPLY_SUCCESS);
	amqp_destroy_connection(mq);
	return 0;
}
