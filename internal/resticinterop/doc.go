// Package resticinterop holds the tests in which stock restic (Debian's, 0.14)
// and keepsake judge each other's repositories. It has no code of its own: see
// its tests. keepsake is always the real command line, in a process of its own;
// only what no command does is done with the engine (holding a lock for as long
// as a test wants; cutting as restic does).
//
// Whatever a test wants of keepsake, it wants of restic as well, in the same
// words: where restic itself does not do it, the test is wrong. What restic does
// otherwise on purpose or by mistake stands where the test allows for it.
//
//	before, after     two states of one folder that is hard to back up (tree_test.go)
//	kinds             repositories made by us, and by restic in formats 1 and 2
//
//	TestRead          both read all of every kind: check --read-data, ls, find, diff, dump (file, tar),
//	                  restore, mount, stats, list, cat; bytes, modes, owners, times, attributes compared
//	TestWrite         both write in every kind, and after each step both check: backup beside what is
//	                  there, prune --repack-uncompressed, index lost and made anew, keys added, changed,
//	                  removed, tag, copy to another kind and back, forget, prune to the last byte,
//	                  recover, forget --prune, migrate
//	TestTurns         17 turns in one repository, each on what the other left, with restic's cache
//	TestLock_…        at the same time: who is refused, with which words and exit code; killed programs;
//	                  backups beside each other; a prune that waits; the SIGHUP of "restic unlock"
//	TestDedup_…       who stores second stores no data: with restic's cuts for all files, else for small ones
//	TestInit_…        init --copy-chunker-params
//	TestGolden        repositories of testdata, made once, are read for ever
//
// # What is not judged
//
//   - Targets of links that are no UTF-8: restic 0.14 cannot keep them, in either direction.
//   - Sockets: both store them, and neither restores them.
//   - rewrite, repair: commands of newer restics; 0.14 has none.
//   - The text that keepsake prints for people, except that ls and errors name what they are about.
//   - Hard links: we store none (restic-format.md 15.11), and restic's come back as separate files.
//   - A lock that is refreshed: that happens after five minutes. Package repository tests it with
//     shorter times.
//
// Devices, and owners other than oneself, are judged when the tests run as root.
package resticinterop
