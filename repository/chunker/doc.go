// Package chunker cuts files into the pieces that become blobs.
//
// Nothing in the repository's format ties blobs to an algorithm
// (restic-format.md 9): readers put the pieces together whatever their lengths.
// The rule only decides how much of tomorrow's file is in the repository
// already, and so it differs by what a file is (kind.go):
//
//	Database   |64 KiB|64 KiB|64 KiB|64 KiB|…        a page is changed in place
//	Media      |          8 MiB          |   rest    |   it never changes
//	General    |  512 KiB … 8 MiB, by content  |  …  |   bytes are inserted
//
// engine.md 2.4 has the measurements: a day of a message database costs 86 MB by
// content and 22 MB in fixed pieces.
//
// # By content
//
// A hash of the last 64 bytes decides about a cut, so the same bytes are cut the
// same way wherever they have moved to:
//
//	0            min (512 KiB)       768 KiB                        max (8 MiB)
//	├── no cut ──┼── one in 2 MiB ───┼── one in 256 KiB ────────────┤ cut
//
// The hash is the gear hash h = 2h + table[byte], which forgets a byte after 64
// more, and a cut is where it is below 2^64/n for "one in n". Making cuts rarer
// before the wished length and more frequent behind it brings lengths closer
// together (the mean is 1 MiB, few are longer than 2). The table comes from the
// polynomial in the repository's config, which only key holders know: chunk
// lengths, which the store sees, then say less about known files.
//
// [Settings.Rabin] is the other hash, restic's own, for a repository that restic
// writes into as well.
package chunker
