package cli

import "testing"

func TestBreakLines(t *testing.T) {
	in := "Anna's iPhone is backed up: 2,661 files in 3.9 s.\n" +
		"note  The phone is in use; the restore goes over it.\n" +
		"      Erase the phone first, for an exact copy of it.\n" +
		"To see it once more:\n  keepsake recovery-kit -r /a/very/long/place/of/backups\n\n"
	want := "Anna's iPhone is backed up:\n2,661 files in 3.9 s.\n" +
		"note  The phone is in use;\n      the restore goes over\n      it.\n" +
		"      Erase the phone first,\n      for an exact copy of\n      it.\n" +
		"To see it once more:\n  keepsake recovery-kit -r /a/very/long/place/of/backups\n\n"
	if got := breakLines(in, 28); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
