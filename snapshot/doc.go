// Package snapshot keeps one phone at one moment in a repository, and gives it
// back: as the tree that people know, and as the iTunes folder, byte for byte.
package snapshot
