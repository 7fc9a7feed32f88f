// Package spool keeps the bytes that a phone has sent until the repository has
// them: on a disk of this computer, never in clear.
//
// A spool is a folder of segments, files that are only appended to:
//
//	segment-00000007    chunk │ chunk │ chunk │ …
//	list-00000008       the same, for what the limit does not count
//
//	chunk    nonce 12 │ AES-256-GCM of up to 65,536 bytes │ tag 16
//
// The chunks of a file stand one behind the other; all but its last in a segment
// are full, so that any byte of it is found by arithmetic. Where they stand is an
// [Extent]; a long file has one in each of several segments. The associated data
// of a chunk are its segment's number and its offset, so that a chunk opens in
// its own place only and a damaged one is never taken for good. Nonces are random.
//
// A segment is removed when no file in it is needed any more: [Spool.Release].
// So room comes back in steps of a segment, and what was written first goes first.
//
//	w := s.Create()
//	io.Copy(w, r)
//	extents, err := w.Close()      the caller remembers them
//	r := s.Open(extents)           an io.Reader and io.ReaderAt
//	s.Release(extents)
//
// Nothing is durable before [Spool.Sync]; a killed process loses nothing that
// was written, since the system has it.
package spool
