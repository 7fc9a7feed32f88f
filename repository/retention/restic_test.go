package retention

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository/format"
)

var record = flag.Bool("record", false, "ask the restic of this computer anew and write testdata/restic.json (takes minutes)")

const recorded = "testdata/restic.json"

// recording is what a stock restic said about a repository of many snapshots.
type recording struct {
	Version   string           `json:"version"`
	Snapshots []resticSnapshot `json:"snapshots"`
	Answers   []resticAnswer   `json:"answers"`
}

type resticSnapshot struct {
	ID       format.ID `json:"id"`
	Time     time.Time `json:"time"`
	Hostname string    `json:"hostname"`
	Paths    []string  `json:"paths"`
	Tags     []string  `json:"tags,omitempty"`
}

// resticAnswer is the result of one "forget --dry-run", as the short IDs of
// what is kept, with the reasons, and of what is not. Zone is TZ of that run.
type resticAnswer struct {
	Arguments []string            `json:"arguments"`
	Zone      string              `json:"zone"`
	Keep      map[string][]string `json:"keep"`
	Remove    []string            `json:"remove"`
}

// scenarios are policies in the words of the command line. Every one is asked
// in two time zones.
var scenarios = []string{
	"--keep-last 1",
	"--keep-last 5",
	"--keep-last 500",
	"--keep-hourly 4",
	"--keep-hourly 100",
	"--keep-daily 1",
	"--keep-daily 7",
	"--keep-daily 100",
	"--keep-weekly 5",
	"--keep-weekly 60",
	"--keep-monthly 3",
	"--keep-monthly 40",
	"--keep-yearly 2",
	"--keep-yearly 10",
	"--keep-last 2 --keep-daily 3 --keep-weekly 4 --keep-monthly 5 --keep-yearly 6",
	"--keep-hourly 3 --keep-monthly 2 --group-by ",
	"--keep-daily 4 --group-by host",
	"--keep-daily 4 --group-by paths",
	"--keep-daily 4 --group-by tags",
	"--keep-daily 2 --group-by host,paths,tags",
	"--keep-within 1d --group-by ",
	"--keep-within 1y2m3d4h",
	"--keep-within 30d",
	"--keep-within 6m --group-by ",
	"--keep-within-hourly 3d",
	"--keep-within-daily 1m",
	"--keep-within-weekly 4m",
	"--keep-within-monthly 1y",
	"--keep-within-yearly 5y",
	"--keep-within-daily 7d --keep-within-weekly 1m --keep-within-monthly 1y --keep-within-yearly 75y",
	"--keep-tag album",
	"--keep-tag album,edited",
	"--keep-tag album,edited --keep-tag nightly --group-by ",
	"--keep-tag nowhere --keep-last 1",
	"--keep-daily 3 --host mac",
	"--keep-daily 3 --host mac --host nas",
	"--keep-last 2 --tag album",
	"--keep-last 2 --tag album,edited --tag nightly",
	"--keep-monthly 2 --path {a}",
	"--keep-monthly 2 --path {a} --path {b}",
	"--keep-last 3 --keep-within 2m --keep-tag edited --tag album --host nas --group-by tags",
}

// TestAsRestic compares with what a stock restic 0.14 said. The one difference
// that is allowed: newer restic, and we, also keep the oldest snapshot of a
// group while a rule is not used up, and say so.
func TestAsRestic(t *testing.T) {
	if *record {
		writeRecording(t)
	}
	data, err := os.ReadFile(recorded)
	if err != nil {
		t.Fatal(err)
	}
	var r recording
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Snapshots) < 60 || len(r.Answers) != 2*len(scenarios) {
		t.Fatalf("recording of %d snapshots and %d answers", len(r.Snapshots), len(r.Answers))
	}
	var all []Snapshot
	for _, s := range r.Snapshots {
		// The zone of this computer must not matter.
		_, offset := s.Time.Zone()
		all = append(all, Snapshot{ID: s.ID, Time: s.Time.In(time.FixedZone("", offset)), Host: s.Hostname, Paths: s.Paths, Tags: s.Tags})
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, answer := range r.Answers {
		t.Run(strings.Join(answer.Arguments, " ")+" TZ="+answer.Zone, func(t *testing.T) {
			filter, by, policy := parseArguments(t, answer.Arguments)
			chosen := slices.DeleteFunc(slices.Clone(all), func(s Snapshot) bool { return !filter.Match(s) })
			kept, removed := 0, 0
			for _, g := range Sort(chosen, by) {
				decisions, err := Apply(policy, g.Snapshots, now)
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range decisions {
					id := d.Snapshot.ID.Short()
					reasons := slices.DeleteFunc(slices.Clone(d.Reasons), func(s string) bool { return strings.HasPrefix(s, "oldest ") })
					theirs, theyKeep := answer.Keep[id]
					if theyKeep != (len(reasons) > 0) || theyKeep == slices.Contains(answer.Remove, id) || !slices.Equal(theirs, reasons) {
						t.Errorf("%v of %v: ours %q, restic's %q", d.Snapshot.Time, g, d.Reasons, theirs)
					}
					if len(reasons) > 0 {
						kept++
					} else {
						removed++
					}
				}
			}
			if kept != len(answer.Keep) || removed != len(answer.Remove) {
				t.Errorf("keep %d, remove %d; restic %d, %d", kept, removed, len(answer.Keep), len(answer.Remove))
			}
		})
	}
}

// parseArguments reads the flags of a scenario.
func parseArguments(t *testing.T, arguments []string) (Filter, GroupBy, Policy) {
	t.Helper()
	var f Filter
	var p Policy
	by := DefaultGroupBy
	numbers := map[string]*int{"--keep-last": &p.Last, "--keep-hourly": &p.Hourly, "--keep-daily": &p.Daily, "--keep-weekly": &p.Weekly, "--keep-monthly": &p.Monthly, "--keep-yearly": &p.Yearly}
	spans := map[string]*Duration{"--keep-within": &p.Within, "--keep-within-hourly": &p.WithinHourly, "--keep-within-daily": &p.WithinDaily,
		"--keep-within-weekly": &p.WithinWeekly, "--keep-within-monthly": &p.WithinMonthly, "--keep-within-yearly": &p.WithinYearly}
	for i := 0; i < len(arguments); i += 2 {
		name, value := arguments[i], arguments[i+1]
		var err error
		switch {
		case numbers[name] != nil:
			*numbers[name], err = strconv.Atoi(value)
		case spans[name] != nil:
			*spans[name], err = ParseDuration(value)
		case name == "--keep-tag":
			p.Tags = append(p.Tags, ParseTagList(value))
		case name == "--tag":
			f.Tags = append(f.Tags, ParseTagList(value))
		case name == "--host":
			f.Hosts = append(f.Hosts, value)
		case name == "--path":
			f.Paths = append(f.Paths, value)
		case name == "--group-by":
			by, err = ParseGroupBy(value)
		default:
			err = fmt.Errorf("unknown flag %s", name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return f, by, p
}

// writeRecording makes a repository and asks restic about it.
func writeRecording(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join("/tmp", "retention-a"), filepath.Join("/tmp", "retention-b")
	for _, path := range []string{a, b} {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(path)
	}
	restic := func(zone string, arguments ...string) []byte {
		cmd := exec.Command("restic", arguments...)
		cmd.Env = append(os.Environ(), "RESTIC_REPOSITORY="+filepath.Join(dir, "repo"), "RESTIC_PASSWORD=x", "RESTIC_CACHE_DIR="+filepath.Join(dir, "cache"), "TZ="+zone)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("restic %q: %v", arguments, err)
		}
		return out
	}
	restic("UTC", "init")
	var r recording
	r.Version = strings.TrimSpace(string(restic("UTC", "version")))
	for i, s := range fakes() {
		arguments := []string{"backup", "--quiet", "--time", s.at, "--host", s.host}
		for _, tag := range s.tags {
			arguments = append(arguments, "--tag", tag)
		}
		arguments = append(arguments, a)
		if i%5 == 3 {
			arguments = append(arguments, b)
		}
		restic(s.zone, arguments...)
	}
	if err := json.Unmarshal(restic("UTC", "snapshots", "--json"), &r.Snapshots); err != nil {
		t.Fatal(err)
	}
	for _, scenario := range scenarios {
		arguments := strings.Split(strings.NewReplacer("{a}", a, "{b}", b).Replace(scenario), " ")
		for _, zone := range []string{"UTC", "Asia/Kolkata"} {
			var groups []struct {
				Keep    []resticSnapshot
				Remove  []resticSnapshot
				Reasons []struct {
					Snapshot resticSnapshot
					Matches  []string
				}
			}
			if err := json.Unmarshal(restic(zone, append([]string{"forget", "--dry-run", "--json"}, arguments...)...), &groups); err != nil {
				t.Fatal(err)
			}
			answer := resticAnswer{Arguments: arguments, Zone: zone, Keep: map[string][]string{}}
			for _, g := range groups {
				for i, k := range g.Keep {
					answer.Keep[k.ID.Short()] = g.Reasons[i].Matches
				}
				for _, s := range g.Remove {
					answer.Remove = append(answer.Remove, s.ID.Short())
				}
			}
			slices.Sort(answer.Remove)
			r.Answers = append(r.Answers, answer)
		}
	}
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(recorded), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(recorded, append(data, '\n'), 0o666); err != nil {
		t.Fatal(err)
	}
}

type fake struct {
	at, zone, host string
	tags           []string
}

// fakes are the snapshots of the recording: hours, days, weeks and months
// apart, around midnights, new years, ISO weeks and the change of clocks, by
// computers in several zones.
func fakes() []fake {
	var list []fake
	add := func(at time.Time, zone, host string, tags ...string) {
		list = append(list, fake{at.Format("2006-01-02 15:04:05"), zone, host, tags})
	}
	newest := time.Date(2025, 3, 31, 22, 15, 0, 0, time.UTC)
	for i := range 14 { // hours
		add(newest.Add(-time.Duration(i)*95*time.Minute), "UTC", "mac")
	}
	for i := range 16 { // days, some left out, around the European change of clocks
		tags := [][]string{nil, {"album"}, {"album", "edited"}, {"nightly"}}[i%4]
		add(newest.Add(-time.Duration(24*i+i*i)*time.Hour), "Europe/Berlin", "nas", tags...)
	}
	for i := range 12 { // weeks, near midnight far from UTC
		add(newest.AddDate(0, 0, -7*i).Add(time.Duration(i%3)*time.Hour), "Pacific/Auckland", "mac", "nightly")
	}
	for i := range 12 { // months
		add(newest.AddDate(0, -i, -i), "America/Los_Angeles", "nas", "edited", "album")
	}
	for i := range 5 { // around new years
		add(time.Date(2021+i, 1, 1, 0, 30, 0, 0, time.UTC), "Asia/Kolkata", "mac")
		add(time.Date(2020+i, 12, 31, 23, 30, 0, 0, time.UTC), "America/Los_Angeles", "mac")
	}
	return list
}
