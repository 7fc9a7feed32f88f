// Package format turns the objects of a restic repository, version 2, into values
// and back. It is pure: bytes in, bytes out; it opens no files and holds no keys.
// restic and rustic read what it writes, and it reads what they write. The facts
// are in restic-format.md; numbers of sections in comments are of that document.
//
// # A repository in one picture
//
// Everything that was backed up is cut into blobs. A blob is a piece of a file
// (data) or the list of a folder (tree), and its name is the SHA-256 of its bytes,
// so a piece that is there already is never stored again. Many blobs lie together
// in one pack file. An index says which blob lies where. A snapshot names the tree
// of the topmost folder.
//
//	snapshot ──tree──► tree blob ──subtree──► tree blob ──content──► data blob
//	                       │                                            │
//	                       └────────── index: blob ID ──► pack, offset, length
//
//	config           Config     version, ID, polynomial       sealed
//	keys/<id>        KeyFile    the master key, sealed         clear JSON
//	data/xx/<id>     packs      blobs and a header             sealed, each
//	index/<id>       ScanIndex  blob ID → pack                 packed and sealed
//	snapshots/<id>   Snapshot   time, paths, tree              packed and sealed
//	locks/<id>       Lock       who is at work                 packed and sealed
//
// The <id> of a file is the SHA-256 of the file as it is stored ([ID]), 64 digits.
// Files are written once and never changed. A name of another shape is not seen
// by any reader.
//
// # Sealing
//
// The package of the keys does it; here it counts only as [SealOverhead] bytes:
//
//	 16 bytes    as many as the plaintext      16 bytes
//	┌─────────┬──────────────────────────────┬──────────┐
//	│ nonce   │ AES-256-CTR of the plaintext │ Poly1305 │
//	└─────────┴──────────────────────────────┴──────────┘
//
// # Packs
//
//	┌───────────────┬─────┬───────────────┬───────────────┬─────────────────────┐
//	│ sealed blob 1 │  …  │ sealed blob n │ sealed header │ its length, uint32  │
//	└───────────────┴─────┴───────────────┴───────────────┴─────────────────────┘
//	 0                                                      numbers: little-endian
//
// The plaintext of the header ([AppendHeader], [ParseHeader]) has an entry for
// each blob, in their order. There are no gaps, so no offsets are stored.
//
//	plain, 37 bytes:       type 0 data │ sealed length │ ID
//	                            1 tree │ uint32        │ 32 bytes
//
//	compressed, 41 bytes:  type 2 data │ sealed length │ plaintext length │ ID
//	                            3 tree │ uint32        │ uint32           │ 32 bytes
//
// A compressed blob is a zstd frame, sealed. A pack holds blobs of one type.
// [PackSize] is what every checker expects the file to have.
//
// # Unpacked files
//
// Index, snapshot and lock are JSON. Before they are sealed they are compressed
// ([EncodeUnpacked], [DecodeUnpacked]):
//
//	┌──────┬──────────────────┐        ┌────────────────┐
//	│ 0x02 │ zstd frame       │   or   │ {"packs":[…]}  │   plain, in old ones
//	└──────┴──────────────────┘        └────────────────┘
//
// # Index
//
//	{"packs":[
//	  {"id":"<pack>","blobs":[
//	    {"id":"<blob>","type":"data","offset":0,"length":1234,"uncompressed_length":4000},
//	    {"id":"<blob>","type":"data","offset":1234,"length":532}]}]}
//
// There is no white space. The second blob is not compressed, so its last number
// is not there: 0 would be an error to rustic. restic does not sort the blobs of a
// pack. An index has up to 50,000 blobs and a repository many indexes, so
// [ScanIndex] reads them without building values.
//
// # Trees
//
//	{"nodes":[
//	  {"name":"IMG_1.HEIC","type":"file","mode":420,"mtime":"2026-05-04T12:00:00Z",
//	   "atime":"…","ctime":"…","uid":501,"gid":501,"size":5,"content":["<data blob>"]},
//	  {"name":"old","type":"dir","mode":2147484141,"mtime":"…","atime":"…","ctime":"…",
//	   "uid":501,"gid":501,"content":null,"subtree":"<tree blob>"}]}\n
//
// The ID of a tree is the SHA-256 of these bytes with the newline at the end, so
// two programs that list the same folder must agree on each byte, or the tree is
// stored twice. The bytes are those of Go's encoding/json, version 1:
// [Tree.Encode] writes the same, only faster. What bites:
//
//   - Names are quoted twice: by Go's rules for the raw bytes, then by JSON's. A
//     quote in a name is \\\" in the tree, the byte FF is \\xff.
//   - Nodes are sorted by the raw bytes of their names.
//   - < > & U+2028 U+2029 are escaped; a zero width joiner is not, except in a
//     name, where Go's quoting escapes what cannot be printed. Which characters
//     those are depends on the Unicode tables of the Go release.
//   - \b and \f are written short since Go 1.22 and as \u0008 and \u000c before.
//     It can show in labels and link targets only, because names are quoted first.
//   - content is an array for files, also for empty ones, and null for others.
//   - mode has Go's bits: a dir is 1<<31, a symlink 1<<27.
//
// # Snapshots and locks
//
//	{"time":"…","parent":"<snapshot>","tree":"<tree blob>","paths":["/photos"],
//	 "hostname":"…","tags":["…"],"program_version":"…","summary":{…}}
//
//	{"time":"…","exclusive":false,"hostname":"…","username":"…","pid":1234}
//
// A snapshot is not changed: another one is written and the first one deleted. A
// lock is refreshed in the same way, every five minutes, and is stale after
// thirty. rustic neither writes nor heeds locks.
//
// # Order of operations
//
// What the code around this package must keep, for a crash to leave nothing worse
// than waste (10):
//
//	write:   packs ══► index ══► snapshot      ══► is: durable first, fsync or 200 OK
//	read:    list snapshots ──► load indexes   else a snapshot may be newer than them
//	prune:   new packs ══► new indexes ══► delete old indexes ══► delete old packs
//
// # Input is hostile until proven otherwise
//
// Every decoder gives an error for whatever it is fed; none panics, and none
// takes more memory than a small multiple of its input ([DecodeUnpacked]: of the
// limit that it is given). They refuse what readers could understand in two ways.
// Only the key file comes without a seal, so its costs are bounded, too.
package format
