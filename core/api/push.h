/* api_push - what ways in share. */
#pragma once

#include <stdbool.h>

struct api_ask;
struct api_fault;
struct api_reply;
struct api_spec;

/* Draining and a store that fails are answered with 503. */
bool api_push_is_open(const struct api_ask *ask);

/* Answers with what is wrong. */
void api_push_refuse(const struct api_ask *ask, const struct api_fault *f);

/* Whether the body may be JSON; answers 415 when not. */
bool api_push_is_json(const struct api_ask *ask);

/* Submits one, and answers: at once when that fails, else when the store has it. */
void api_push_one(const struct api_ask *ask, struct api_spec *s);
