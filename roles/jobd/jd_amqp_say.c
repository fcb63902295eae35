/* jd_amqp_say - what the loop has ordered, in the library's words. None of them waits for its
 * answer. */
#include <string.h>

#include "core/base/mem.h"
#include "roles/jobd/jd_amqp_parts.h"

enum { POOL = 4096, TAG = 8 };

static int say_method(struct jd_amqp_link *l, unsigned channel, amqp_method_number_t id,
		      void *method)
{
	return amqp_send_method(l->state, (amqp_channel_t)channel, id, method);
}

static int say_open(struct jd_amqp_link *l, const struct jd_amqp_order *o)
{
	amqp_channel_open_t open = { .out_of_band = amqp_empty_bytes };
	amqp_confirm_select_t confirm = { .nowait = 0 };
	int rc = say_method(l, o->channel, AMQP_CHANNEL_OPEN_METHOD, &open);

	if (rc == 0 && o->flag)
		rc = say_method(l, o->channel, AMQP_CONFIRM_SELECT_METHOD, &confirm);
	return rc;
}

static int say_declare(struct jd_amqp_link *l, const struct jd_amqp_order *o)
{
	const struct jd_amqp_queue *q = o->queue;
	amqp_table_entry_t args[JD_AMQP_ARGS];
	amqp_queue_declare_t declare = { .queue = amqp_cstring_bytes(q->name),
					 .passive = q->passive,
					 .durable = 1,
					 .arguments.entries = args };

	for (int i = 0; i < JD_AMQP_ARGS; i++) {
		amqp_field_value_t v = { .kind = AMQP_FIELD_KIND_I64,
					 .value.i64 = q->args[i].number };
		if (!q->args[i].name || q->passive)
			continue;
		if (q->args[i].text) {
			v.kind = AMQP_FIELD_KIND_UTF8;
			v.value.bytes = amqp_cstring_bytes(q->args[i].text);
		}
		args[declare.arguments.num_entries++] =
			(amqp_table_entry_t){ .key = amqp_cstring_bytes(q->args[i].name),
					      .value = v };
	}
	return say_method(l, o->channel, AMQP_QUEUE_DECLARE_METHOD, &declare);
}

static int say_consume(struct jd_amqp_link *l, const struct jd_amqp_order *o)
{
	amqp_basic_qos_t qos = { .prefetch_count = (uint16_t)o->number };
	amqp_basic_consume_t consume = { .queue = amqp_cstring_bytes(o->name),
					 .consumer_tag = amqp_cstring_bytes("troupe") };
	int rc = say_method(l, o->channel, AMQP_BASIC_QOS_METHOD, &qos);

	return rc == 0 ? say_method(l, o->channel, AMQP_BASIC_CONSUME_METHOD, &consume) : rc;
}

static int say_cancel(struct jd_amqp_link *l, const struct jd_amqp_order *o)
{
	amqp_basic_cancel_t cancel = { .consumer_tag = amqp_cstring_bytes("troupe") };

	return say_method(l, o->channel, AMQP_BASIC_CANCEL_METHOD, &cancel);
}

static int say_get(struct jd_amqp_link *l, const struct jd_amqp_order *o)
{
	amqp_basic_get_t get = { .queue = amqp_cstring_bytes(o->name) };

	return say_method(l, o->channel, AMQP_BASIC_GET_METHOD, &get);
}

static int say_publish(struct jd_amqp_link *l, const struct jd_amqp_order *o)
{
	amqp_basic_properties_t props;
	amqp_pool_t pool;
	amqp_bytes_t body = { .bytes = (void *)o->message.body, .len = o->message.size };

	init_amqp_pool(&pool, POOL);
	int rc = jd_amqp_props(&props, &o->message, o->flag ? &o->state : NULL,
			       (size_t)amqp_get_frame_max(l->state), &pool);
	if (rc == 0)
		rc = amqp_basic_publish(l->state, (amqp_channel_t)o->channel, amqp_empty_bytes,
					amqp_cstring_bytes(o->name), 1, 0, &props, body);
	empty_amqp_pool(&pool);
	return rc;
}

static int say_one(struct jd_amqp_link *l, const struct jd_amqp_order *o)
{
	amqp_channel_t channel = (amqp_channel_t)o->channel;

	switch (o->what) {
	case JD_AMQP_SAY_OPEN:
		return say_open(l, o);
	case JD_AMQP_SAY_DECLARE:
		return say_declare(l, o);
	case JD_AMQP_SAY_CONSUME:
		return say_consume(l, o);
	case JD_AMQP_SAY_CANCEL:
		return say_cancel(l, o);
	case JD_AMQP_SAY_ACK:
		return amqp_basic_ack(l->state, channel, o->tag, o->flag);
	case JD_AMQP_SAY_GIVE_BACK:
		return amqp_basic_nack(l->state, channel, o->tag, 0, 1);
	case JD_AMQP_SAY_GET:
		return say_get(l, o);
	default:
		return say_publish(l, o);
	}
}

static bool is_void(struct jd_amqp_link *l, const struct jd_amqp_order *o)
{
	struct jd_amqp_piece *p = &l->pieces[o->channel];

	if (o->epoch != l->epoch)
		return true;
	if (o->what == JD_AMQP_SAY_OPEN)
		p->shut = false;
	return p->shut;
}

int jd_amqp_say(struct jd_amqp_link *l, struct list *orders)
{
	struct list *it, *tmp;
	int rc = 0;

	list_each (it, tmp, orders) {
		struct jd_amqp_order *o = container_of(it, struct jd_amqp_order, link);
		__atomic_store_n(&l->a->busy, uv_hrtime(), __ATOMIC_RELAXED);
		if (rc == 0 && !is_void(l, o))
			rc = say_one(l, o);
		jd_amqp_order_free(o);
	}
	return rc;
}
