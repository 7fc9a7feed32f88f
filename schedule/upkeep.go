package schedule

import "time"

// How often the stored data is looked after.
const (
	checkEvery = 7 * day
	// retryUpkeep is how long after one that failed the next one is tried.
	retryUpkeep = day
)

// Upkeep is when something was done to stored backups last.
type Upkeep struct {
	// Now carries the zone of the clock on the wall.
	Now time.Time
	// Last is when it was last tried, OK whether that went well. Zero: never.
	Last time.Time
	OK   bool
	// First is when the first version was made; zero: there is none yet.
	First time.Time
	// Newest is when the newest version was made.
	Newest time.Time
}

// CheckDue tells when a sample of the stored data is to be read and verified: a
// week after the last time, a day after one that failed for want of time or of a
// connection, and a week after the first version. The zero time is never, a time
// that is not in the future is now.
func CheckDue(u Upkeep) time.Time {
	switch {
	case u.First.IsZero():
		return time.Time{}
	case u.Last.IsZero():
		return u.First.Add(checkEvery)
	case !u.OK:
		return u.Last.Add(retryUpkeep)
	}
	return u.Last.Add(checkEvery)
}

// RehearseDue tells when the newest version is to be restored onto a virtual
// phone: at once after the first backup, a month after the last rehearsal, and
// after one that failed when there is a newer version, or a week later. The zero
// time is never.
func RehearseDue(u Upkeep) time.Time {
	switch {
	case u.First.IsZero():
		return time.Time{}
	case u.Last.IsZero():
		return u.First
	case !u.OK && u.Newest.After(u.Last):
		return later(u.Newest, u.Last.Add(retryUpkeep))
	case !u.OK:
		return u.Last.Add(checkEvery)
	}
	return monthAfter(u.Last.In(u.Now.Location()))
}

// monthAfter is the same time of day a month later, on its last day if the month
// is too short.
func monthAfter(t time.Time) time.Time {
	year, month, day := t.Date()
	last := time.Date(year, month+2, 0, 0, 0, 0, 0, t.Location()).Day()
	return time.Date(year, month+1, min(day, last), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
}
