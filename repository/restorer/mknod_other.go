//go:build !linux && !windows

package restorer

import "errors"

func mknodat(int, string, uint32, uint64) error {
	return errors.New("devices and FIFOs are restored on Linux only")
}
