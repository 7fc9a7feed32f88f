package ical

import (
	"fmt"
	"strings"
	"time"
)

// Duration writes a length of time as RFC 5545 3.3.6 has it: "-PT15M", "P1D". Parts of a
// second are dropped.
func Duration(d time.Duration) string {
	var b strings.Builder
	seconds := int64(d / time.Second)
	if seconds < 0 {
		b.WriteByte('-')
		seconds = -seconds
	}
	b.WriteByte('P')
	if seconds != 0 && seconds%(7*86400) == 0 {
		fmt.Fprintf(&b, "%dW", seconds/(7*86400))
		return b.String()
	}
	if days := seconds / 86400; days > 0 {
		fmt.Fprintf(&b, "%dD", days)
	}
	rest := seconds % 86400
	if rest == 0 && seconds > 0 {
		return b.String()
	}
	b.WriteByte('T')
	for _, unit := range []struct {
		letter byte
		n      int64
	}{{'H', rest / 3600}, {'M', rest / 60 % 60}, {'S', rest % 60}} {
		if unit.n > 0 || unit.letter == 'S' && seconds == 0 {
			fmt.Fprintf(&b, "%d%c", unit.n, unit.letter)
		}
	}
	return b.String()
}
