/* jd_door - the addresses of a listener: whoever connects to one of them is handed over. */
#pragma once

#include "core/base/list.h"
#include "core/net/acceptor.h"

struct api;
struct err;

struct jd_door {
	struct api *api;  /* whose open counts its sockets */
	const char *what; /* said in the log */
	struct list sockets;
	acceptor_on_socket on_socket;
	void *data;
};

void jd_door_init(struct jd_door *d, struct api *api, const char *what);

/* on_socket and data are set. 0, or a code and a sentence; then it is to be closed all the same. */
int jd_door_open(struct jd_door *d, char *const *addresses, struct err *err);

/* Nobody comes in any more. The struct is not needed beyond this. */
void jd_door_close(struct jd_door *d);
