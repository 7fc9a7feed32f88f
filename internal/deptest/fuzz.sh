#!/bin/sh
# Runs every fuzz target of the module, one after another.
#   FUZZTIME=60s    time for each target
#   FUZZPART=5      only every fifth, beginning with another one every day
set -eu
go=${GO:-go}
targets=$(grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed -E 's#^\./(.*)/[^/]+:func #\1 #' | sort -u)
if [ -n "${FUZZPART:-}" ]; then
	targets=$(printf '%s\n' "$targets" | awk -v part="$FUZZPART" -v day="$(($(date +%s) / 86400 % FUZZPART))" 'NR % part == day')
fi
count=$(printf '%s\n' "$targets" | wc -l)
echo "$count fuzz targets, $FUZZTIME each"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
printf '%s\n' "$targets" | while read -r dir name; do
	if "$go" test -trimpath -vet=off "./$dir" -run '^$' -fuzz "^$name\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 10x >"$log" 2>&1; then
		printf '%s %s: %s\n' "$dir" "$name" "$(grep '^fuzz: elapsed' "$log" | tail -n 1)"
	elif grep -qx '    context deadline exceeded' "$log" && ! grep -qE 'Failing input|panic|hung|_test.go' "$log"; then
		# The end of the time, taken for a failure by the fuzzing engine: there is no
		# failing input; with one, the log would name it.
		printf '%s %s: the time ran out (Go reports that as a failure)\n' "$dir" "$name"
	else
		cat "$log"
		exit 1
	fi
done
