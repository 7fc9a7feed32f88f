//go:build !linux && !darwin

package dirstore

// bootID is unknown here.
func bootID() string { return "" }
