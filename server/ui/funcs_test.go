package ui

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/service"
)

var now = time.Date(2026, 5, 14, 20, 30, 0, 0, time.FixedZone("CEST", 7200))

func TestWhen(t *testing.T) {
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Time{}, "never"}, {now.Add(-10 * time.Second), "just now"}, {now.Add(-time.Minute), "1 minute ago"}, {now.Add(-3 * time.Hour), "3 hours ago"},
		{now.Add(-13 * time.Hour), "today 07:30"}, {now.Add(-21 * time.Hour), "yesterday 23:30"}, {now.Add(5 * time.Hour), "tomorrow 01:30"},
		{now.Add(-3 * 24 * time.Hour), "Monday 20:30"}, {now.Add(-20 * 24 * time.Hour), "24 April 20:30"}, {now.Add(-400 * 24 * time.Hour), "9 April 2025"},
		{now.UTC().Add(-10 * time.Second), "just now"},
	} {
		if got := ago(c.at, now); got != c.want {
			t.Errorf("ago(%v) = %q, want %q", c.at, got, c.want)
		}
	}
	if got := when(time.Date(2026, 5, 14, 22, 30, 0, 0, time.UTC), now); got != "tomorrow 00:30" {
		t.Errorf("the day is that on the wall: %q", got)
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		size(-1): "unknown", size(38_000_000_000): "38 GB", plural(1, "day", "days"): "1 day", plural(int64(0), "day", "days"): "0 days",
		long(10 * time.Millisecond): "1 second", long(89 * time.Minute): "89 minutes", long(150 * time.Minute): "3 hours",
		upper("élan vital"): "Élan vital", upper(""): "", initial(""): "?", kind("new-one"): "New-one", state("odd"): "odd",
		class("Photos"): "photos", class("<script>"): "other", moodIcon("unheard"): "waiting",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestLateAndSoon(t *testing.T) {
	p := service.Phone{}
	p.Policy.EveryDays, p.Policy.RemindAfterDays = 2, 7
	for days, want := range map[int]string{0: "", 2: "", 3: "soon", 7: "soon", 8: "late"} {
		p.DaysVerified = days
		got := ""
		if late(p) {
			got = "late"
		} else if soon(p) {
			got = "soon"
		}
		if got != want {
			t.Errorf("after %d days: %q, want %q", days, got, want)
		}
	}
}

// drawn phones come from what a phone says about itself.
func FuzzDrawing(f *testing.F) {
	f.Add("iPhone16,1", "#123456", "00008130", "Photos", int64(1), int64(2))
	f.Add("iPad13,16", "red\" onload=\"x", "", "\"><script>", int64(-1), int64(1<<62))
	f.Add("iPhone10,4", "", "x", "", int64(1<<62), int64(1))
	f.Fuzz(func(t *testing.T, product, color, udid, kind string, bytes, capacity int64) {
		p := service.Phone{ProductType: product, Color: color, UDID: udid, Capacity: capacity, Storage: []service.Usage{{Kind: kind, Bytes: bytes}, {Kind: kind, Bytes: bytes}}}
		for _, svg := range []string{string(drawing(p)), string(storage(p)), string(swatch(kind)), string(meter(bytes, capacity))} {
			if strings.Contains(svg, "style=") || strings.Contains(svg, "<script") || strings.Contains(svg, " onload=") {
				t.Errorf("%q", svg)
			}
			d := xml.NewDecoder(strings.NewReader(svg))
			for {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil && strings.ToValidUTF8(kind, "") == kind {
					if strings.Contains(err.Error(), "illegal character code") {
						break // control characters in a name: a reader of screens gets them, no more
					}
					t.Fatalf("%v in %q", err, svg)
				} else if err != nil {
					break
				}
			}
		}
	})
}
