#!/bin/sh
# How the repositories beside this file were made, once, in an empty folder:
# by restic 0.14 in both formats, and by keepsake as it was on that day. They
# are not to be made again: that they stay readable is what they are for.
#
#   go test -c -o /tmp/resticinterop.test ./internal/resticinterop
#   go build -o /tmp/keepsake ./cmd/keepsake
#   sudo unshare --uts sh internal/resticinterop/testdata/make.sh /tmp/golden
set -eu
hostname golden # stands in keys
umask 022
export TZ=UTC LC_ALL=C.UTF-8 KEEPSAKE_PASSWORD=golden RESTIC_PASSWORD=golden
tool() { role=$1; shift; KEEPSAKE_RESTICINTEROP=$role /tmp/resticinterop.test "$@"; }
mkdir "$1"
cd "$1"
tool tree "$1"
tool list "$1/tree" >first.txt
restic --no-cache -r restic init
restic --no-cache -r restic-format1 init --repository-version 1
/tmp/keepsake -r keepsake init
backup() {
	restic --no-cache -r restic backup --host golden --time "$1" tree
	restic --no-cache -r restic-format1 backup --host golden --time "$1" tree
	/tmp/keepsake -r keepsake backup-dir --host golden --time "$1" tree
}
backup "2026-01-02 03:04:05"
echo "another line" >>tree/contents/log.txt
rm -r tree/deep
backup "2026-01-03 03:04:05"
tool list "$1/tree" >second.txt
