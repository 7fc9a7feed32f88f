// Package journal remembers what happened to an unfinished backup, so that the
// next process finds it as the last one left it, however that one ended.
//
// A journal is one file that is only appended to:
//
//	magic 8 │ length u32 │ head │ frame │ frame │ …
//
//	frame    length u32 │ nonce 12 │ AES-256-GCM of records │ tag 16
//
// Numbers are little-endian. The head is the caller's: it holds the key, sealed.
// The associated data of a frame is its number, counted from 0, so that a frame
// counts only where it was written. A frame that is cut short or does not open
// is the end of the journal: it was in the making when the process or the power
// ended. What comes behind it is cut off before the next one is appended.
//
// A record is a byte for its [Kind] and what the kind needs ([Record]); numbers in
// it are varints. Paths that are nothing but a file ID in its place take 21 bytes:
//
//	0  length, text             any other path
//	1  20                       UDID/ab/ID
//	2  20                       UDID/Snapshot/ab/ID
//
// An append is one write: a killed process loses nothing that was appended. After
// a loss of power what was not synced may be missing, from some frame on.
package journal
