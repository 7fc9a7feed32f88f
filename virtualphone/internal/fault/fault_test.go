package fault

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	got, err := Parse("cut@upload:100000, refuse@lockdown.Pair*3,path@upload.file:5=../../x:1*2,lock@scan*0")
	if err != nil {
		t.Fatal(err)
	}
	want := []Fault{
		{"cut", "upload", 100000, 1, ""},
		{"refuse", "lockdown.Pair", 1, 3, ""},
		{"path", "upload.file", 5, 1, "../../x:1*2"},
		{"lock", "scan", 1, 0, ""},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, f := range got {
		again, err := Parse(f.String())
		if err != nil || len(again) != 1 || again[0] != f {
			t.Errorf("%+v prints as %q, which reads as %+v, %v", f, f.String(), again, err)
		}
	}
	for _, bad := range []string{"cut", "@upload", "cut@", "cut@x:0", "cut@x:y", "cut@x*-1"} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("Parse(%q) took it", bad)
		}
	}
}

func TestSet_Hit(t *testing.T) {
	var s Set
	s.Add(Fault{"cut", "upload", 10, 1, ""}, Fault{"stall", "file", 2, 0, ""})
	var got []string
	for _, hit := range []struct {
		point string
		n     int64
	}{{"upload", 9}, {"file", 1}, {"upload", 1}, {"upload", 5}, {"file", 1}, {"file", 1}, {"else", 1}} {
		if f, ok := s.Hit(hit.point, hit.n); ok {
			got = append(got, f.Action)
		} else {
			got = append(got, "-")
		}
	}
	if d := cmp.Diff([]string{"-", "-", "cut", "-", "stall", "stall", "-"}, got); d != "" {
		t.Error(d)
	}
	if s.Waits("upload") || !s.Waits("file") {
		t.Error("Waits: a spent fault still waits, or a standing one does not")
	}
}
