// Package resticinterop holds the tests in which stock restic (Debian's 0.14)
// and keepsake judge each other. It has no code of its own: see its tests.
package resticinterop
