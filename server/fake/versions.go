package fake

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/keepsake-backup/keepsake/service"
)

// someVersions makes the versions that s tells of, newest first: every day of
// late, then every week, then every month, as a retention leaves them.
func someVersions(s story, p service.Phone, now time.Time, rnd *rand.Rand) []service.Version {
	var all []service.Version
	at := now.Add(-s.last)
	used := int64(s.full * float64(s.capacity))
	rehearsed := false
	for i := range s.versions {
		v := service.Version{ID: versionID(s.udid, i), UDID: s.udid, Time: at.UTC().Truncate(time.Second), Name: p.Name, IOS: p.IOS, Encrypted: true}
		age := now.Sub(at)
		v.Media = i%5 == 3
		v.Size = used * int64(100-min(i, 60)) / 200
		v.Files = v.Size/(2*mib) + int64(rnd.IntN(900))
		v.Added = v.Size/160 + int64(rnd.IntN(400))*mib
		v.Verified = v.Time.Add(11 * time.Minute)
		if v.Media {
			v.Size, v.Files, v.Encrypted = v.Size/5, v.Files/9, false
		}
		if s.rehearsed > 0 && !rehearsed && age >= s.rehearsed && !v.Media {
			v.Rehearsed, v.RehearsalOK, rehearsed = now.Add(-s.rehearsed).Add(time.Hour), true, true
		}
		v.Pinned = i == 30
		if age > 40*time.Hour {
			v.Copies = []string{"blue-disk"}
		}
		if i%3 == 0 && age > 40*time.Hour {
			v.Copies = append(v.Copies, "garage")
		}
		v.Sealed = s.udid == Old && i < 2
		all = append(all, v)
		at = at.Add(-gap(age, rnd))
	}
	if n := len(all); n > 0 { // the first one took all there was
		all[n-1].Added = all[n-1].Size * 7 / 10
	}
	return all
}

// gap is how far apart versions of that age are.
func gap(age time.Duration, rnd *rand.Rand) time.Duration {
	day := 24 * time.Hour
	jitter := time.Duration(rnd.IntN(180)-90) * time.Minute
	switch {
	case age < 30*day:
		return day/2 + jitter
	case age < 120*day:
		return 7*day + jitter
	}
	return 30*day + jitter
}

func versionID(udid string, i int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", udid, i))
	return hex.EncodeToString(sum[:])
}
