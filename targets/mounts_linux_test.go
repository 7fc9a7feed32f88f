package targets

import (
	"slices"
	"strings"
	"testing"
)

const mountinfo = `22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
23 22 0:21 / /proc rw,nosuid shared:12 - proc proc rw
24 22 0:22 / /sys rw - sysfs sysfs rw
98 22 8:17 / /media/ada/My\040Disk rw,nosuid shared:51 master:1 - exfat /dev/sdb1 rw,uid=1000
99 22 0:45 / /net rw - autofs auto.net rw
100 22 0:46 / /mnt/nas rw - nfs4 nas:/x rw
101 22 0:47 / /mnt/back\134slash rw - ext4 /dev/sdc1 rw
not a line of this file
`

func TestParseMounts(t *testing.T) {
	got, err := parseMounts(strings.NewReader(mountinfo))
	want := []string{"/", "/media/ada/My Disk", "/mnt/nas", `/mnt/back\slash`}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if list, err := Mounts(); err != nil || len(list) == 0 {
		t.Errorf("here: %q, %v", list, err)
	}
}

func FuzzParseMounts(f *testing.F) {
	f.Add(mountinfo)
	f.Add(`1 1 0:1 / \04 x - ext4`)
	f.Add(`1 1 0:1 / \999\777 x - ext4`)
	f.Fuzz(func(t *testing.T, text string) {
		mounts, err := parseMounts(strings.NewReader(text))
		if err == nil && len(mounts) > strings.Count(text, "\n")+1 {
			t.Errorf("%d mounts in %d lines", len(mounts), strings.Count(text, "\n"))
		}
	})
}
