package reminders

import (
	"fmt"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

func TestBlobs(t *testing.T) {
	list, err := plist.Marshal([]any{1, 15, -1}, plist.Binary)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := integers(list, 31); !ok || fmt.Sprint(got) != "[1 15 -1]" {
		t.Errorf("a property list gives %v %t", got, ok)
	}
	for in, want := range map[string]string{
		"": "[] true", "null": "[] true", "[1,15,-1]": "[1 15 -1] true", "[32]": "[] false", "[0]": "[] false", "[1.5]": "[] false", "{}": "[] false", "[1": "[] false", "bplist00": "[] false",
	} {
		got, ok := integers([]byte(in), 31)
		if text := fmt.Sprint(got, ok); text != want {
			t.Errorf("integers(%q) = %s, want %s", in, text, want)
		}
	}
	for in, want := range map[string]string{
		`{"year":2026,"month":5,"day":9,"hour":7,"minute":30}`:                            "2026-05-09T07:30:00+02:00",
		`{"year":2026,"month":5,"day":9}`:                                                 "2026-05-09",
		`{"year":2026,"month":5,"day":9,"hour":7,"timeZone":{"identifier":"Asia/Tokyo"}}`: "2026-05-09T07:00:00+09:00",
		`{"year":2026,"month":5,"day":9,"hour":7,"timeZone":"Mars/Olympus"}`:              "2026-05-09T07:00:00",
		`{"year":2026,"month":13,"day":9}`:                                                "",
		`{"year":1e300,"month":1,"day":9}`:                                                "",
		`[]`:                                                                              "",
	} {
		if got := components([]byte(in), "Europe/Berlin").String(); got != want {
			t.Errorf("components(%s) = %q, want %q", in, got, want)
		}
	}
}

func FuzzBlobs(f *testing.F) {
	for _, s := range []string{"[1,2]", `[{"weekNumber":-1,"dayOfTheWeek":6}]`, `{"year":2026,"month":2,"day":30,"hour":1,"minute":1,"second":1,"timeZone":"UTC"}`,
		`{"dueDateDeltaAlerts":[{"dueDateDeltaUnit":0,"dueDateDeltaCount":-15}]}`, `{"memberships":[{"memberID":"A","groupID":"B"}]}`, "bplist00\xa1\x01\x10\x01"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if list, ok := integers(data, 31); ok {
			for _, n := range list {
				if n == 0 || n > 31 || n < -31 {
					t.Fatalf("integer %d", n)
				}
			}
		}
		if days, ok := weekdays(data); ok {
			for _, d := range days {
				if d == "" {
					t.Fatal("no day")
				}
			}
		}
		_ = components(data, "Europe/Berlin").String()
		for _, a := range earlyAlarms(data) {
			_ = a.String()
		}
		membership(data, map[string]string{"B": "x"})
	})
}
