package calls

import (
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

// time is a date of this store: seconds since 2001, in the old list since 1970.
func (s *store) time(seconds float64) time.Time {
	if s.old() {
		return extract.UnixTime(seconds)
	}
	return extract.CocoaTime(seconds)
}
