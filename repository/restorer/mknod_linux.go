package restorer

import "golang.org/x/sys/unix"

func mknodat(dir int, name string, mode uint32, device uint64) error {
	return unix.Mknodat(dir, name, mode, int(device))
}
