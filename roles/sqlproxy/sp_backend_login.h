/*
 * sp_backend_login - our login to a server, as the user that the connection is for.
 *
 *	greeting -> (TLS) -> our login -> [switch of plugin, more] -> OK -> our settings -> idle
 */
#pragma once

struct sp_backend;

/* b->in has grown: whole packets of the login are taken from it. */
void sp_backend_login_input(struct sp_backend *b);

/* Says who we are: after the greeting, or when TLS is there. */
void sp_backend_login(struct sp_backend *b);
