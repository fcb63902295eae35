#include "roles/sqlproxy/sp_account.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "core/base/mem.h"
#include "roles/sqlproxy/sp_setup.h"

struct account {
	struct account *next;
	struct sp_secret secret;
	int64_t at; /* ms */
	char user[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static struct sp_auth_rsa *key;
static struct account *accounts;
static int count;

static int64_t now_ms(void)
{
	return (int64_t)(uv_hrtime() / 1000000);
}

static struct account **find(const char *user)
{
	struct account **at = &accounts;

	while (*at && strcmp((*at)->user, user) != 0)
		at = &(*at)->next;
	return at;
}

bool sp_account_find(const char *user, int64_t age, struct sp_secret *out)
{
	pthread_mutex_lock(&lock);
	struct account *a = *find(user);
	bool good = a && now_ms() - a->at <= age;
	if (good)
		sp_secret_copy(out, &a->secret);
	pthread_mutex_unlock(&lock);
	return good;
}

static void drop(struct account **at)
{
	struct account *a = *at;

	*at = a->next;
	sp_secret_fini(&a->secret);
	free(a);
	count--;
}

void sp_account_store(const char *user, const struct sp_secret *secret)
{
	pthread_mutex_lock(&lock);
	struct account **at = find(user);
	if (*at)
		drop(at);
	while (count >= SP_ACCOUNTS_MAX)
		drop(&accounts);
	struct account *a = mem_new(sizeof(*a) + strlen(user) + 1);
	strcpy(a->user, user);
	sp_secret_copy(&a->secret, secret);
	a->at = now_ms();
	a->next = accounts;
	accounts = a;
	count++;
	pthread_mutex_unlock(&lock);
}

void sp_account_forget(const char *user)
{
	pthread_mutex_lock(&lock);
	struct account **at = find(user);
	if (*at)
		drop(at);
	pthread_mutex_unlock(&lock);
}

void sp_account_forget_all(void)
{
	pthread_mutex_lock(&lock);
	while (accounts)
		drop(&accounts);
	pthread_mutex_unlock(&lock);
}

static void make_key(void)
{
	key = sp_auth_rsa_new(2048);
}

struct sp_auth_rsa *sp_account_key(void)
{
	pthread_once(&key_once, make_key);
	return key;
}
