package progress

import (
	"testing"
	"time"
)

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{-1: "0 B", 0: "0 B", 999: "999 B", 1000: "1.0 kB", 83_400_000: "83 MB", 4_294_967_296: "4.3 GB"} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0 files", 1: "1 file", 12345: "12,345 files"} {
		if got := Count(n, "file", "files"); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestTook(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-1:                                    "0.0 s",
		420 * time.Millisecond:                "0.4 s",
		9940 * time.Millisecond:               "9.9 s",
		9960 * time.Millisecond:               "10 s",
		59 * time.Second:                      "59 s",
		59*time.Second + 700*time.Millisecond: "1 min 0 s",
		185 * time.Second:                     "3 min 5 s",
		time.Hour - time.Second:               "59 min 59 s",
		time.Hour - 1:                         "1 h 0 min",
		127 * time.Minute:                     "2 h 7 min",
	} {
		if got := Took(d); got != want {
			t.Errorf("Took(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestLeft(t *testing.T) {
	for d, want := range map[time.Duration]string{
		2 * time.Second:           "a few s left",
		42 * time.Second:          "40 s left",
		58 * time.Second:          "1 min left",
		200 * time.Second:         "3 min left",
		time.Hour - 1:             "1 h 0 min left",
		2*time.Hour + time.Minute: "2 h 0 min left",
	} {
		if got := left(d); got != want {
			t.Errorf("left(%v) = %q, want %q", d, got, want)
		}
	}
}
