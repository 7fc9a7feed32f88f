package extract

import (
	"math"
	"time"
)

// Cocoa's epoch and the dates by which Apple's programs say "none"
// (content-schemas.md 0).
const (
	cocoaEpoch    = 978307200   // 2001-01-01 UTC in Unix seconds
	distantFuture = 63113904000 // 4001-01-01, Cocoa seconds
	// Apple's distantPast is the year 1; what lies before 1904, but for birthdays,
	// is no date.
	tooOld = -3061152000 // 1904-01-01, Cocoa seconds
)

// CocoaTime turns seconds since 2001-01-01 UTC into a time, in UTC, exact to the
// microsecond. What stands for "none" is the zero time: 0, distantFuture and beyond,
// anything before 1904, not a number.
func CocoaTime(seconds float64) time.Time {
	if math.IsNaN(seconds) || seconds == 0 || seconds >= distantFuture || seconds < tooOld {
		return time.Time{}
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole)+cocoaEpoch, int64(math.Round(part*1e6))*1000).UTC()
}

// CocoaNano turns nanoseconds since 2001-01-01 UTC into a time, as sms.db has them
// since iOS 11; older phones wrote seconds, which are told apart by their size.
func CocoaNano(n int64) time.Time {
	const asSeconds = 1 << 36 // beyond distantFuture, and about a minute in nanoseconds
	if n > -asSeconds && n < asSeconds {
		return CocoaTime(float64(n))
	}
	t := time.Unix(n/1e9+cocoaEpoch, n%1e9).UTC()
	if s := n / 1e9; s >= distantFuture || s < tooOld {
		return time.Time{}
	}
	return t
}

// UnixTime turns seconds since 1970 into a time, in UTC; 0 is none.
func UnixTime(seconds float64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return CocoaTime(seconds - cocoaEpoch)
}

// FormatTime is a time in a Row: RFC 3339 in its own zone, "" for none.
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// YesNo is a truth in a Row.
func YesNo(b bool) string {
	if b {
		return "yes"
	}
	return ""
}
