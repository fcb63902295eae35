/* td_http - the addresses of the API. */
#pragma once

#include <stdint.h>

struct err;
struct td;

int td_http_open(struct td *td, struct err *err);

/* Certificates anew, for connections from now on. */
int td_http_reload(struct td *td, struct err *err);

void td_http_close(struct td *td);

/* Connections of all addresses: now, and ever. */
void td_http_figures(struct td *td, int *now, uint64_t *all);
