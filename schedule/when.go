package schedule

import (
	"fmt"
	"time"
)

// daysApart is how many midnights lie between two moments on the clock of now.
func daysApart(t, now time.Time) int {
	midnight := func(t time.Time) time.Time {
		year, month, day := t.In(now.Location()).Date()
		return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	}
	return int(midnight(t).Sub(midnight(now)).Hours()) / 24
}

// soon says when something in the future is: "at 22:00", "tomorrow at 07:00",
// "on Monday at 07:00", "on 3 March".
func soon(t, now time.Time) string {
	t = t.In(now.Location())
	switch n := daysApart(t, now); {
	case n <= 0:
		return "at " + t.Format("15:04")
	case n == 1:
		return "tomorrow at " + t.Format("15:04")
	case n < 7:
		return "on " + t.Format("Monday") + " at " + t.Format("15:04")
	}
	return "on " + t.Format("2 January")
}

// ago says when something in the past was: "today at 07:31", "yesterday at 22:10",
// "on Monday at 22:10", "on 3 March", "on 3 March 2024".
func ago(t, now time.Time) string {
	t = t.In(now.Location())
	switch n := -daysApart(t, now); {
	case n <= 0:
		return "today at " + t.Format("15:04")
	case n == 1:
		return "yesterday at " + t.Format("15:04")
	case n < 7:
		return "on " + t.Format("Monday") + " at " + t.Format("15:04")
	case n < 300:
		return "on " + t.Format("2 January")
	}
	return "on " + t.Format("2 January 2006")
}

// days says a number of days.
func days(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}
