//go:build !windows

package devicelink

func diskFull(error) bool { return false }
