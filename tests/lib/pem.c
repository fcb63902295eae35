#include "tests/lib/pem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void run(const char *fmt, const char *folder)
{
	char line[1024];

	snprintf(line, sizeof(line), "cd %s && %s >/dev/null 2>&1", folder, fmt);
	int status = system(line);
	assert(status == 0);
}

void pem_make(struct pem *p)
{
	const char *base = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";

	snprintf(p->folder, sizeof(p->folder), "%.100s/troupe_pem.XXXXXX", base);
	char *made = mkdtemp(p->folder);
	assert(made);
	run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 "
	    "-keyout ca.key -out ca.pem -subj '/CN=test CA'",
	    p->folder);
	run("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem "
	    "-out cert.csr -subj /CN=localhost && "
	    "echo subjectAltName=DNS:localhost,IP:127.0.0.1 >names && "
	    "openssl x509 -req -in cert.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 9 "
	    "-extfile names -out cert.pem",
	    p->folder);
	snprintf(p->ca, sizeof(p->ca), "%s/ca.pem", p->folder);
	snprintf(p->cert, sizeof(p->cert), "%s/cert.pem", p->folder);
	snprintf(p->key, sizeof(p->key), "%s/key.pem", p->folder);
}

void pem_remove(const struct pem *p)
{
	run("rm -f ca.key ca.pem ca.srl key.pem cert.csr cert.pem names && rmdir \"$PWD\"",
	    p->folder);
}
