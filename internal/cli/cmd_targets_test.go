package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/targets"
)

func TestTargetStates(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	parts := make([]time.Time, targets.Parts)
	for i := range parts {
		parts[i] = at.AddDate(0, 0, -i)
	}
	list := []targets.Status{
		{Target: "usb", Presence: targets.Here, Where: "/media/usb/keepsake", Versions: 12, Behind: 1, Size: 5_000_000_000, Free: 64_000_000_000,
			Copy: targets.Copy{LastCopied: at, Verified: at, PartsRead: parts}},
		{Target: "shelf", Phone: "00008101-000A1B2C3D4E001E", Presence: targets.Absent, Where: "/media/shelf", Versions: 3, Behind: -1, Free: -1,
			Err:  &targets.AbsentError{Target: "shelf", Where: "/media/shelf", Disk: true},
			Copy: targets.Copy{Source: format.ID{1}, LastCopied: at, Damaged: at, Damage: 2}},
		{Target: "nas", Presence: targets.Absent, Where: "rest:https://nas.local/", Behind: -1, Free: -1,
			Err: &targets.AbsentError{Target: "nas", Where: "rest:https://nas.local/", Err: errors.New("no route")}},
	}
	var out bytes.Buffer
	a := &app{Program: Program{Stdout: &out}, json: true}
	a.showTargetStates(list)
	want := `{"message_type":"target_status","name":"usb","presence":"here","location":"/media/usb/keepsake","last_copied":"2026-03-01T12:00:00Z","last_verified":"2026-03-01T12:00:00Z","read_since":"2026-02-20T12:00:00Z","damaged":null,"damage":0,"versions":12,"behind":1,"size":5000000000,"free":64000000000}
{"message_type":"target_status","name":"shelf","phone":"00008101-000A1B2C3D4E001E","presence":"absent","location":"/media/shelf","last_copied":"2026-03-01T12:00:00Z","last_verified":null,"read_since":null,"damaged":"2026-03-01T12:00:00Z","damage":2,"versions":3,"behind":-1,"size":0,"free":-1,"error":"find target \"shelf\": it is not plugged in (last at /media/shelf)"}
{"message_type":"target_status","name":"nas","presence":"absent","location":"rest:https://nas.local/","last_copied":null,"last_verified":null,"read_since":null,"damaged":null,"damage":0,"versions":0,"behind":-1,"size":0,"free":-1,"error":"find target \"nas\": rest:https://nas.local/ cannot be reached: no route"}
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	out.Reset()
	a.json = false
	a.showTargetStates(list)
	for _, text := range []string{"not plugged in, DAMAGED", "out of reach", "12 versions  1 version ", "64 GB", "never", "shelf: DAMAGED: 2 things were missing or wrong"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("no %q in\n%s", text, out.String())
		}
	}
}

func TestSince(t *testing.T) {
	for ago, want := range map[time.Duration]string{
		0: "just now", 61 * time.Second: "1 minute ago", 59 * time.Minute: "59 minutes ago", 90 * time.Minute: "1 hour ago",
		47 * time.Hour: "1 day ago", 12*24*time.Hour + time.Hour: "12 days ago",
	} {
		if got := since(time.Now().Add(-ago)); got != want {
			t.Errorf("%v: %q, want %q", ago, got, want)
		}
	}
	if got := since(time.Time{}); got != "never" {
		t.Error(got)
	}
}

func TestReadEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# of the bucket\n\nAWS_ACCESS_KEY_ID=ada\nexport AWS_SECRET_ACCESS_KEY=a=b c\n")
	set, err := readEnvironment(file)
	if err != nil || len(set) != 2 || set["AWS_ACCESS_KEY_ID"] != "ada" || set["AWS_SECRET_ACCESS_KEY"] != "a=b c" {
		t.Errorf("%q, %v", set, err)
	}
	write("AWS_ACCESS_KEY_ID=ada\nsecret-horse\n")
	if _, err := readEnvironment(file); err == nil || strings.Contains(err.Error(), "horse") || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("%v", err)
	}
	if _, err := readEnvironment(file + "x"); err == nil {
		t.Error("no error")
	}
}
