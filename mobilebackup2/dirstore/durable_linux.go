package dirstore

import "golang.org/x/sys/unix"

// flushesAll: flush needs no list of files.
const flushesAll = true

// unsynced is not needed where one call flushes the whole file system.
type unsynced struct{}

func (unsynced) noteUnsynced(string) {}

// flush writes the file system of the folder out; since Linux 5.8 it reports
// errors of earlier writes too.
func (s *Store) flush() error {
	h, err := openDir(s.root, ".")
	if err != nil {
		return err
	}
	defer h.close()
	return again(func() error { return unix.Syncfs(h.fd) })
}
