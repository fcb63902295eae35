/*
 * api_auth - who may do what.
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
struct api_ask;
struct api_token;
struct api_tokens;

/* Takes the place of *t; path NULL: nobody is asked any more. What calls under way hold of the old
 * ones stays until api_tokens_free. On failure nothing has changed. */
int api_tokens_take(struct api_tokens **t, const char *path, struct err *err);
void api_tokens_free(struct api_tokens *t);

/* Whether somebody is asked. */
bool api_tokens_ask(const struct api_tokens *t);

/* Answers and returns false when this may not be. Sets ask->token. */
bool api_auth(struct api_ask *ask);

/* Whether the token's topics have this one; answers 403 when not. NULL: all topics. */
bool api_auth_topic(const struct api_ask *ask, const char *topic);
bool api_token_has(const struct api_token *t, const char *topic);
