/*
 * sp_account - what was learned about users while they logged in: their password after a full
 * login (passthrough, or a hash that does not tell it), or the hash that the primary keeps of it.
 * Process-wide, in memory only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sp_secret;
struct sp_auth_rsa;

enum { SP_ACCOUNTS_MAX = 10000, SP_ACCOUNT_AGE_MS = 60 * 1000 };

/* Copies what is known and not older than `age` ms; false: nothing. */
bool sp_account_find(const char *user, int64_t age, struct sp_secret *out);
void sp_account_store(const char *user, const struct sp_secret *secret);
void sp_account_forget(const char *user);
void sp_account_forget_all(void);

/* The process's key pair for full logins without TLS, made when first asked for. */
struct sp_auth_rsa *sp_account_key(void);
