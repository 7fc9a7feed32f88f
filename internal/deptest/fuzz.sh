#!/bin/sh
# Runs every fuzz target of the module, one after another.
#   FUZZTIME=60s    time for each target, or
#   FUZZTOTAL=100   seconds for all of them together
set -eu
go=${GO:-go}
targets=$(grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed -E 's#^\./(.*)/[^/]+:func #\1 #' | sort -u)
count=$(printf '%s\n' "$targets" | wc -l)
if [ -n "${FUZZTOTAL:-}" ]; then
	ms=$((FUZZTOTAL * 1000 / count))
	FUZZTIME="${ms}ms"
fi
echo "$count fuzz targets, $FUZZTIME each"
printf '%s\n' "$targets" | while read -r dir name; do
	printf '%s %s\n' "$dir" "$name"
	"$go" test "./$dir" -run '^$' -fuzz "^$name\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 10x
done
