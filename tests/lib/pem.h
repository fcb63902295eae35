/* pem - certificates for tests, made by openssl when asked for. */
#pragma once

enum { PEM_PATH = 128 };

/* A CA, a certificate of it for `localhost` and 127.0.0.1, and their keys, in a new folder. */
struct pem {
	char folder[PEM_PATH];
	char ca[PEM_PATH + 16], cert[PEM_PATH + 16], key[PEM_PATH + 16];
};

void pem_make(struct pem *p);
void pem_remove(const struct pem *p);
