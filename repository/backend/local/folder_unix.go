//go:build linux || darwin

package local

import "os"

// withFolder calls fn with a descriptor of root's own folder.
func withFolder(root *os.Root, fn func(dir int) error) error {
	f, err := root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := conn.Control(func(fd uintptr) { failed = fn(int(fd)) }); err != nil {
		return err
	}
	return failed
}
