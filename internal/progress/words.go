package progress

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
)

// Size says a number of bytes, such as "3.2 GB"; a kilobyte has 1000 bytes, as
// on the phone's own storage page.
func Size(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

// Count says a number of things, such as "1 file" or "12,345 files".
func Count(n int64, singular, plural string) string {
	if n == 1 {
		return "1 " + singular
	}
	return humanize.Comma(n) + " " + plural
}

// Took says how long something took: "0.4 s", "42 s", "3 min 5 s", "2 h 7 min".
func Took(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 9950*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute-time.Second/2:
		return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
	case d < time.Hour-time.Second/2:
		d = d.Round(time.Second)
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	default:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
}

// left says a guess of the time that remains, no finer than a guess can be.
func left(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return "a few s left"
	case d < 55*time.Second:
		return fmt.Sprintf("%d s left", int(d.Round(5*time.Second).Seconds()))
	case d < time.Hour-30*time.Second:
		return fmt.Sprintf("%d min left", int(d.Round(time.Minute).Minutes()))
	default:
		d = d.Round(5 * time.Minute)
		return fmt.Sprintf("%d h %d min left", int(d.Hours()), int(d.Minutes())%60)
	}
}
