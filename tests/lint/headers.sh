#!/bin/sh
# A library's header stands in the one place that wraps it, so that the library
# can be swapped or faked: HEADER PATTERN, where the pattern is of paths.
allowed='ini\.h core/conf/
llhttp\.h core/net/http
openssl/ core/net/tls|core/.*digest|roles/[a-z]*/[a-z]*_auth|roles/[a-z]*/[a-z]*_crypt
sodium core/net/tls|roles/[a-z]*/[a-z]*_auth|roles/[a-z]*/[a-z]*_crypt
jansson\.h core/run/request|core/base/json|roles/
sqlite3\.h core/store/
amqp roles/jobd/jd_amqp
zmq\.h roles/jobd/jd_zmq
mysql roles/sqlproxy/sp_probe
expat\.h roles/supervisor/sv_xml
zlib\.h core/|roles/[a-z]*/[a-z]*_zip
zstd\.h core/proc/logzip
lmdb\.h roles/dfsd/df_(index|table)
xxhash\.h roles/dfsd/df_hash'

bad=$(echo "$allowed" | while read -r header place; do
	grep -HnE "#include <$header" cmd/*.[ch] core/*/*.[ch] roles/*/*.[ch] | grep -vE "^($place)"
done)
[ -z "$bad" ] && exit 0
printf 'a library outside the place that wraps it (tests/lint/headers.sh):\n%s\n' "$bad" >&2
exit 1
