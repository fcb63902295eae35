/*
 * td_auth - who may do what.
 *
 *	# TOKEN  SCOPES          TOPICS
 *	s3cret   push,read       mail,report.*
 *	r00t     push,read,admin
 *
 * Without topics a token is for all. Without a file nobody is asked, and what a browser may have
 * been led to send by another site is refused instead.
 */
#pragma once

#include <stdbool.h>

struct err;
struct http_message;
struct td_ask;
struct td_token;
struct td_tokens;

/* Takes the place of *t; path NULL: nobody is asked any more. What calls under way hold of the old
 * ones stays until td_tokens_free. On failure nothing has changed. */
int td_tokens_take(struct td_tokens **t, const char *path, struct err *err);
void td_tokens_free(struct td_tokens *t);

/* Whether somebody is asked. */
bool td_tokens_ask(const struct td_tokens *t);

/* Answers and returns false when this may not be. Sets ask->token. */
bool td_auth(struct td_ask *ask);

/* Whether the token's topics have this one; answers 403 when not. NULL: all topics. */
bool td_auth_topic(const struct td_ask *ask, const char *topic);
bool td_token_has(const struct td_token *t, const char *topic);
