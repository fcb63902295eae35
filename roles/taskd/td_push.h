/* td_push - what ways in share. */
#pragma once

#include <stdbool.h>

struct td_ask;
struct td_fault;
struct td_reply;
struct td_spec;

/* Draining and a store that fails are answered with 503. */
bool td_push_is_open(const struct td_ask *ask);

/* Answers with what is wrong. */
void td_push_refuse(const struct td_ask *ask, const struct td_fault *f);

/* Whether the body may be JSON; answers 415 when not. */
bool td_push_is_json(const struct td_ask *ask);

/* Submits one, and answers: at once when that fails, else when the store has it. */
void td_push_one(const struct td_ask *ask, struct td_spec *s);
