package targets

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// notDisks are file systems that no disk has. Looking into some of them waits, or
// starts something.
var notDisks = []string{"autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs",
	"fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "ramfs", "rpc_pipefs", "securityfs", "squashfs", "sysfs", "tracefs"}

// maxMounts bounds what is read; a machine full of containers has some thousand.
const maxMounts = 100_000

// Mounts lists the folders at which disks are mounted now.
func Mounts() ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounted disks: %w", err)
	}
	defer f.Close() // read only
	return parseMounts(f)
}

// parseMounts reads lines as proc(5) describes them:
//
//	36 35 98:0 /root /mnt/disk rw,noatime master:1 - ext4 /dev/sdb1 rw
//	                 5th: mount point              - kind of file system
func parseMounts(r io.Reader) ([]string, error) {
	var mounts []string
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 6 || len(kind) < 1 || slices.Contains(notDisks, kind[0]) {
			continue
		}
		if len(mounts) == maxMounts {
			return nil, fmt.Errorf("list mounted disks: more than %d", maxMounts)
		}
		mounts = append(mounts, unescape(fields[4]))
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("list mounted disks: %w", err)
	}
	return mounts, nil
}

// unescape undoes \040 for a space, and its like.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
