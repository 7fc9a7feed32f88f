// Package schedule decides when to back up which phone. It is arithmetic on what
// is known: it waits for nothing, asks nobody and keeps nothing.
package schedule
