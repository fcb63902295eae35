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

/* Takes as long for a wrong first letter as for a wrong last one. */
bool http_auth_same(const char *a, const char *b);
