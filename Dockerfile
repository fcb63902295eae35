# Two stages: the first builds with everything, the second has only what the program loads.
FROM debian:12-slim AS build
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
	gcc make pkg-config libc6-dev libuv1-dev libinih-dev node-llhttp libssl-dev libjansson-dev \
	libmariadb-dev libmariadb-dev-compat zlib1g-dev libsodium-dev libzstd-dev libexpat1-dev \
	libsqlite3-dev libhiredis-dev libzmq3-dev librabbitmq-dev liblmdb-dev \
	libxxhash-dev
WORKDIR /src
COPY . .
RUN make install DESTDIR=/out PREFIX=/usr

FROM debian:12-slim
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
	libuv1 libinih1 libssl3 libjansson4 libmariadb3 zlib1g libsodium23 libzstd1 libexpat1 libsqlite3-0 \
	libhiredis0.14 libzmq5 librabbitmq4 liblmdb0 \
	ca-certificates \
	&& rm -rf /var/lib/apt/lists/* \
	&& useradd --system --no-create-home --shell /usr/sbin/nologin troupe \
	&& install -d -o troupe -g troupe /run/troupe
# The file is for root and our group only: it may come to hold passwords.
COPY --from=build --chown=root:troupe /out/ /
USER troupe
# The role: the first word (docker run troupe sqlproxy), or TROUPE_ROLE. The file: mount your own
# over /etc/troupe/troupe.ini, or name another by TROUPE_CONF.
# The health check looks for the role that runs with $TROUPE_CONF.
ENTRYPOINT ["troupe"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["troupe", "ctl", "status"]
