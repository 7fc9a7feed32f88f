//go:build !unix

package repository

// processLives cannot tell here: a lock is abandoned when it is old.
func processLives(int) bool { return true }
