#include "core/proc/logzip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "core/base/mem.h"

enum { LEVEL = 3, PIECE = 128 * 1024 };

static int write_all(int fd, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t k = write(fd, data, n);
		if (k < 0)
			return -errno;
		data += k;
		n -= (size_t)k;
	}
	return 0;
}

/* One piece in, what comes of it out. last: nothing follows. */
static int squeeze(ZSTD_CCtx *ctx, int out, ZSTD_inBuffer *in, char *room, bool last)
{
	size_t left;

	do {
		ZSTD_outBuffer got = { room, PIECE, 0 };
		left = ZSTD_compressStream2(ctx, &got, in, last ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return UV_EIO;
		int rc = write_all(out, room, got.pos);
		if (rc)
			return rc;
	} while (last ? left > 0 : in->pos < in->size);
	return 0;
}

static int copy(const struct logzip *z, int in, int out, ZSTD_CCtx *ctx)
{
	char *pieces = mem_new(2 * PIECE);
	ssize_t n;
	int rc = 0;

	do {
		n = read(in, pieces, PIECE);
		ZSTD_inBuffer piece = { pieces, n > 0 ? (size_t)n : 0, 0 };
		rc = n < 0 ? -errno : squeeze(ctx, out, &piece, pieces + PIECE, n == 0);
		if (__atomic_load_n(&z->cancelled, __ATOMIC_RELAXED))
			rc = UV_ECANCELED;
	} while (rc == 0 && n > 0);
	free(pieces);
	return rc;
}

/* The same owner, mode and time. */
static int dress(int in, int out)
{
	struct stat st;

	if (fstat(in, &st) != 0)
		return -errno;
	if (fchown(out, st.st_uid, st.st_gid) != 0)
		return -errno;
	fchmod(out, st.st_mode & 07777);
	futimens(out, (struct timespec[]){ st.st_mtim, st.st_mtim });
	return 0;
}

static int compress_to(const struct logzip *z, int in)
{
	unlink(z->to); /* of a process that was killed */
	int out = open(z->to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	ZSTD_CCtx *ctx = ZSTD_createCCtx();
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1);
	int rc = copy(z, in, out, ctx);
	if (rc == 0)
		rc = dress(in, out);
	ZSTD_freeCCtx(ctx);
	if (close(out) != 0 && rc == 0)
		rc = -errno;
	if (rc)
		unlink(z->to);
	return rc;
}

static void work(uv_work_t *w)
{
	struct logzip *z = w->data;
	int in = open(z->from, O_RDONLY | O_CLOEXEC);

	z->status = in < 0 ? -errno : compress_to(z, in);
	if (in >= 0)
		close(in);
}

static void after(uv_work_t *w, int status)
{
	struct logzip *z = w->data;

	z->done(z, status ? status : z->status);
}

int logzip_start(struct logzip *z, uv_loop_t *loop, logzip_done done)
{
	z->work.data = z;
	z->done = done;
	z->cancelled = false;
	return uv_queue_work(loop, &z->work, work, after);
}

void logzip_cancel(struct logzip *z)
{
	__atomic_store_n(&z->cancelled, true, __ATOMIC_RELAXED);
	uv_cancel((uv_req_t *)&z->work);
}
