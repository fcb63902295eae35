/* http_auth - who asks: the field Authorization (RFC 7617). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct http_message;

enum { HTTP_AUTH_MOST = 512 }; /* bytes of user and password together */

/* What Basic says; false: nothing, or nothing that can be read. password points into user's room.
 */
bool http_auth_basic(const struct http_message *m, char user[HTTP_AUTH_MOST], char **password);

/* The token of Bearer, or NULL. */
const char *http_auth_bearer(const struct http_message *m);

/* Whether a browser has sent it for a page of another site (Origin, RFC 6454), which its user knows
 * nothing of. open: nobody is asked who he is; then a page is ours only at an address, or at
 * localhost. */
bool http_auth_is_foreign(const struct http_message *m, bool open);

/* Takes as long for a wrong first letter as for a wrong last one. */
bool http_auth_same(const char *a, const char *b);
