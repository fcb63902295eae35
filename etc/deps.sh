#!/bin/sh
# deps.sh - installs what is missing of etc/packages.debian; says what and how when it may not.
#
# Nothing happens when nothing is missing. Servers that come along (MariaDB, HAProxy) are for
# private instances of the tests: their packages are kept from starting them.
set -e
list=$(dirname "$0")/packages.debian
policy=/usr/sbin/policy-rc.d

wanted() {
	sed 's/#.*//' "$list" | tr -s ' \t' '\n' | while IFS='|' read -r package command; do
		[ -z "$package" ] && continue
		[ -n "$command" ] && command -v "$command" >/dev/null && continue
		echo "$package"
	done
}

missing() {
	for package in $(wanted); do
		case $(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null) in
		ii*) ;;
		*) echo "$package" ;;
		esac
	done
}

command -v dpkg-query >/dev/null || {
	echo "not a Debian: see $list for what is needed" >&2
	exit 0
}
missing=$(missing | tr '\n' ' ')
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ]; then
	printf 'missing: %s\nas root: apt-get install --no-install-recommends %s\n' "$missing" "$missing" >&2
	exit 1
fi
if [ ! -e $policy ]; then
	trap 'rm -f $policy' EXIT
	trap 'exit 1' INT TERM
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update
# shellcheck disable=SC2086
apt-get install -y --no-install-recommends $missing
