package contents

import (
	"fmt"
	"strconv"
	"strings"
)

// Profile names how much a phone holds.
type Profile string

const (
	Tiny    Profile = "tiny"    // about 350 files, 5 MB, every kind present
	Small   Profile = "small"   // about 3,000 files, 100 MB
	Typical Profile = "typical" // about 40,000 files, 3 GB
	Album   Profile = "album"   // 100,000 pictures and films, each as small as can be, and little else
	Huge    Profile = "huge"    // 500,000 manifest rows, 5 GB with one sparse file over 4 GiB
)

// ParseProfile takes the name of a profile as typed on a command line.
func ParseProfile(s string) (Profile, error) {
	if _, ok := plans[Profile(s)]; !ok {
		return "", fmt.Errorf("parse profile %q: want tiny, small, typical, album or huge", s)
	}
	return Profile(s), nil
}

// plan is what a profile means.
type plan struct {
	assets     int   // pictures and films of the photo library
	still      int   // bytes of an average HEIC; the other kinds go with it
	large      int64 // bytes of one sparse film, 0 none
	settings   int   // property lists in Library/Preferences
	apps       int   // from the store
	systemApps int   // apps of iOS that have a container
	plugins    int   // extensions of iOS that have a container
	appFiles   int   // in the containers of an average store app
	fileSize   int   // bytes of an average one of those
	songs      int
	words      int // for how much small stuff there is: passes, web clips, keyboards
	scale      int // of appdata.Options
}

var plans = map[Profile]plan{
	Tiny:    {assets: 29, still: 16 << 10, settings: 10, apps: 2, systemApps: 4, plugins: 2, appFiles: 5, fileSize: 700, songs: 3, words: 1, scale: 0},
	Small:   {assets: 90, still: 350 << 10, settings: 350, apps: 20, systemApps: 30, plugins: 60, appFiles: 78, fileSize: 6 << 10, songs: 20, words: 4, scale: 1},
	Typical: {assets: 1500, still: 800 << 10, settings: 350, apps: 60, systemApps: 45, plugins: 500, appFiles: 525, fileSize: 14 << 10, songs: 200, words: 12, scale: 2},
	Album:   {assets: 100_000, still: 1 << 10, settings: 10, apps: 2, systemApps: 4, plugins: 2, appFiles: 5, fileSize: 700, songs: 3, words: 1, scale: 0},
	Huge: {assets: 1000, still: 80 << 10, large: 4<<30 + 256<<20, settings: 350, apps: 240, systemApps: 45, plugins: 900, appFiles: 1955,
		fileSize: 700, songs: 20, words: 12, scale: 1},
}

// release is a version of iOS.
type release struct{ major, minor int }

func parseRelease(s string) (release, error) {
	major, rest, _ := strings.Cut(s, ".")
	minor, _, _ := strings.Cut(rest, ".")
	r := release{}
	var err error
	if r.major, err = strconv.Atoi(major); err != nil || r.major < 11 || r.major > 99 {
		return r, fmt.Errorf("parse iOS version %q: want something like 18.6, 11 or newer", s)
	}
	if minor != "" {
		if r.minor, err = strconv.Atoi(minor); err != nil || r.minor < 0 {
			return r, fmt.Errorf("parse iOS version %q: want something like 18.6", s)
		}
	}
	return r, nil
}

func (r release) atLeast(major, minor int) bool {
	return r.major > major || r.major == major && r.minor >= minor
}
