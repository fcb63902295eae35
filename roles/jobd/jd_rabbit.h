/*
 * jd_rabbit - jobs in queues of a RabbitMQ server, or of another that speaks AMQP 0-9-1.
 *
 *	PREFIX TOPIC              a durable queue: published to by whoever, by the default exchange
 *	tr.PREFIX TOPIC.wait.4s   what is to be tried again: passes into the topic's queue
 *(jd_ladder) tr.PREFIX TOPIC.dead      what has died, with x-troupe-error; raised by :retry-dead
 *
 * A job is a message that we have not acknowledged: whatever dies, it is in its queue. To move one
 * is to publish it to the other queue, to wait for the server's word that it has it, and only then
 * to acknowledge it here: between the two it is there twice, and never nowhere. What we know of it
 * is in its headers: x-troupe-id, -attempts, -crashes, -due (ms since 1970), -error.
 *
 * Two connections, since a server that is short of memory stops reading from those that publish:
 * what is taken and acknowledged goes on over the other one.
 */
#pragma once

#include "roles/jobd/jd_source.h"

extern const struct jd_source_type jd_rabbit;
