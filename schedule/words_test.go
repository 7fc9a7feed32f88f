package schedule

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

// sentences is a state of things about which something is said.
type sentences struct {
	name   string
	reason Reason
	change func(p *Policy, f *Facts)
}

func (s sentences) decide(t *testing.T, decide func(Policy, Facts) Decision) string {
	p, f := evening(t)
	if s.change != nil {
		s.change(&p, &f)
	}
	d := decide(p, f)
	if d.Reason != s.reason {
		t.Errorf("%s %s: got %s", s.reason, s.name, d.Reason)
	}
	text := "== " + strings.TrimSpace(string(s.reason)+" "+s.name) + "\n   " + d.Text + "\n"
	if d.Do != "" {
		text += "do " + d.Do + "\n"
	}
	if d.Why != "" {
		text += "   (" + d.Why + ")\n"
	}
	return text
}

func away(change func(f *Facts)) func(*Policy, *Facts) {
	return func(_ *Policy, f *Facts) {
		f.Reach, f.ConnectedAt = Nowhere, time.Time{}
		change(f)
	}
}

func hours(n int) time.Duration { return time.Duration(n) * time.Hour }

var everySentence = []sentences{
	{"", StartHour, nil},
	{"no owner", StartHour, func(p *Policy, f *Facts) { f.Owner = "" }},
	{"no name", StartHour, func(p *Policy, f *Facts) { f.Owner, f.Phone = "", "" }},
	{"a name with braces", StartHour, func(p *Policy, f *Facts) { f.Owner, f.Phone = "", "{it} {phone} %d" }},
	{"", StartRequest, func(p *Policy, f *Facts) { f.Request = f.Now }},
	{"", StartSignal, func(p *Policy, f *Facts) { f.Signal = f.Now }},
	{"", StartCable, func(p *Policy, f *Facts) { f.Reach, f.CableAt = Cable, f.Now }},
	{"", StartUnlock, func(p *Policy, f *Facts) { f.UnlockedAt = f.Now }},
	{"", StartCharger, func(p *Policy, f *Facts) { f.Charging, f.ChargingAt = true, f.Now }},
	{"", StartWindow, func(p *Policy, f *Facts) { f.Passcode = NoPasscode }},
	{"", StartLate, func(p *Policy, f *Facts) {
		p.Window = Window{}
		f.Now, f.LastGood = f.Now.Add(hours(5)), f.Now.Add(hours(-50))
	}},
	{"", StartCatchUp, func(p *Policy, f *Facts) {
		f.Off = []Span{{f.Now, f.Now.Add(hours(16))}}
		f.Now = f.Now.Add(hours(16))
	}},

	{"", AlreadyRunning, func(p *Policy, f *Facts) { f.Running = true }},
	{"", SwitchedOff, func(p *Policy, f *Facts) { p.Automatic = false }},
	{"never", SwitchedOff, func(p *Policy, f *Facts) { p.Automatic, f.LastGood = false, time.Time{} }},
	{"", UpToDate, func(p *Policy, f *Facts) { f.LastGood = f.Now.Add(-time.Hour) }},
	{"days", UpToDate, func(p *Policy, f *Facts) { p.EveryDays, f.LastGood = 7, f.Now.Add(hours(-30)) }},
	{"weeks", UpToDate, func(p *Policy, f *Facts) { p.EveryDays, f.LastGood = 30, f.Now.Add(hours(-24*12)) }},
	{"", NotPaired, func(p *Policy, f *Facts) { f.Paired = false }},
	{"", InSetup, func(p *Policy, f *Facts) { f.InSetup = true }},
	{"", NoPlace, func(p *Policy, f *Facts) { f.Place = "the disk “Backups” is not connected" }},
	{"", QueueFull, func(p *Policy, f *Facts) { f.Busy = true }},
	{"", WaitWindow, func(p *Policy, f *Facts) { f.Now = f.Now.Add(hours(16)) }},
	{"by cable too", WaitWindow, func(p *Policy, f *Facts) { p.OnConnect, f.Now = false, f.Now.Add(hours(5)) }},
	{"", WaitPower, func(p *Policy, f *Facts) { p.OnPower = true }},
	{"", WaitBattery, func(p *Policy, f *Facts) { f.Battery = 9 }},
	{"", WaitHour, func(p *Policy, f *Facts) {
		p.Window, f.LastGood = Window{}, f.Now.Add(hours(-10))
		f.Now = f.Now.Add(hours(6))
	}},
	{"", WaitRetry, func(p *Policy, f *Facts) {
		f.Passcode, f.Last = NoPasscode, Attempt{At: f.Now, Outcome: Broke, Failures: 2, Error: "the cable was unplugged"}
	}},
	{"", SaidNo, func(p *Policy, f *Facts) { f.Prompts = []Prompt{{f.Now.Add(-hours(1)), No}} }},
	{"", NotAnswered, func(p *Policy, f *Facts) { f.Prompts = []Prompt{{f.Now.Add(-hours(1)), Ignored}} }},
	{"", BrokeAfter, func(p *Policy, f *Facts) {
		f.Prompts = []Prompt{{f.Now.Add(-hours(1)), Yes}}
		f.Last = Attempt{At: f.Now.Add(-hours(1)), Ended: f.Now.Add(-time.Minute), Outcome: Broke, Failures: 1, Error: "the Wi-Fi connection was lost"}
	}},
	{"", GaveUp, func(p *Policy, f *Facts) {
		f.Last = Attempt{At: f.Now.Add(-hours(1)), Ended: f.Now.Add(-time.Minute), Outcome: Failed, Failures: 1, Error: "the disk is full", Hint: "Make room on the disk."}
	}},
	{"nothing known", GaveUp, func(p *Policy, f *Facts) {
		f.Last = Attempt{At: f.Now.Add(-hours(1)), Ended: f.Now.Add(-time.Minute), Outcome: Failed, Failures: 1}
	}},
	{"", WasCancelled, func(p *Policy, f *Facts) { f.Last = Attempt{At: f.Now.Add(-hours(1)), Outcome: Cancelled, Failures: 1} }},

	{"", AwayMeeting, away(func(f *Facts) { f.Away.InSight = true })},
	{"in sight", AwaySilent, away(func(f *Facts) { f.Away.InSight, f.Away.Hindrance = true, Other })},
	{"in sight", AwayRestart, away(func(f *Facts) { f.Away.InSight, f.Away.Hindrance = true, Locked })},
	{"", AwayUnpaired, away(func(f *Facts) { f.Paired, f.Away = false, Away{} })},
	{"", AwayExpired, away(func(f *Facts) { f.Away.LastContact = f.Now.Add(-hours(31 * 24)) })},
	{"", AwayExpiring, away(func(f *Facts) { f.Away.LastContact = f.Now.Add(-hours(26*24 + 1)) })},
	{"", AwayForgot, away(func(f *Facts) { f.Away.Hindrance = Untrusted })},
	{"", AwayRestart, away(func(f *Facts) { f.Away.Hindrance = Locked })},
	{"", AwayLocked, away(func(f *Facts) {
		f.Away.Hindrance, f.UnlockedAt, f.Away.LastContact = NotFound, f.Now.Add(-hours(40)), f.Now.Add(-hours(30))
	})},
	{"", AwayWiFiOff, away(func(f *Facts) { f.Away.WiFiOff = true })},
	{"", AwayPrivate, away(func(f *Facts) { f.Away.Hindrance, f.Away.PrivateAddress = NotFound, true })},
	{"network", AwayDeaf, away(func(f *Facts) { f.Away.NoNetwork = "no network interface is up" })},
	{"both", AwayDeaf, away(func(f *Facts) {
		f.Away.NoNetwork, f.Away.NoCable = "no network interface is up", "usbmuxd does not run"
	})},
	{"", AwaySilent, away(func(f *Facts) { f.Away.Hindrance = NoAnswer })},
	{"", AwayNetwork, away(func(f *Facts) { f.Away.Hindrance = NotFound })},
	{"", AwayUnknown, away(func(f *Facts) { f.Away.LastContact, f.Away.Hindrance = time.Time{}, NotFound })},
}

var everyMediaSentence = []sentences{
	{"", StartWindow, nil},
	{"", AlreadyRunning, func(p *Policy, f *Facts) { f.Running = true }},
	{"", SwitchedOff, func(p *Policy, f *Facts) { p.Media = false }},
	{"", UpToDate, func(p *Policy, f *Facts) { f.LastMedia = f.Now.Add(-time.Hour) }},
	{"", WaitWindow, func(p *Policy, f *Facts) { f.Now = f.Now.Add(hours(16)) }},
	{"", WaitPower, func(p *Policy, f *Facts) { p.OnPower = true }},
	{"", WaitRetry, func(p *Policy, f *Facts) { f.LastCopy = Attempt{At: f.Now, Outcome: Broke, Failures: 2} }},
	{"", GaveUp, func(p *Policy, f *Facts) {
		f.LastCopy = Attempt{At: f.Now, Outcome: Failed, Failures: 2, Error: "the disk is full"}
	}},
	{"", NoPlace, func(p *Policy, f *Facts) { f.Place = "the disk “Backups” is not connected" }},
	{"", AwayNetwork, away(func(f *Facts) {})},
}

// TestSentences: what is said in every state, to be read in testdata/sentences.txt.
// Print it anew with "go test -run Sentences -update".
func TestSentences(t *testing.T) {
	var out strings.Builder
	for _, s := range everySentence {
		out.WriteString(s.decide(t, Decide))
	}
	out.WriteString("\n# Media copies\n\n")
	for _, s := range everyMediaSentence {
		out.WriteString(s.decide(t, DecideMedia))
	}
	const name = "testdata/sentences.txt"
	if *update {
		if err := os.WriteFile(name, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("other words (-want +got):\n%s", diff)
	}
}

// TestReasons: every reason is in the table.
func TestReasons(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	covered := map[Reason]bool{}
	for _, s := range everySentence {
		covered[s.reason] = true
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if n++; !covered[Reason(text)] {
			t.Errorf("%s is not in the table", text)
		}
		return true
	})
	if n < 30 {
		t.Errorf("found %d reasons", n)
	}
}
