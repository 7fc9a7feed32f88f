// Package index keeps in memory which blobs a repository holds and where: some
// 57 bytes a blob, so that ten million blobs (ten terabytes at 1 MiB each) take
// little more than half a gigabyte.
//
// An entry is one blob in one pack. Entries have numbers, from 0 in the order they
// are added; so have packs. Numbers stay what they are, which makes a Set of
// entries (marked blobs, blobs to repack) a row of bits. All entries of a pack stand
// one after the other, in the order of their offsets.
//
//	entries, in chunks of 2048:        0        1        2        3        4
//	                               +--------+--------+--------+--------+--------+--
//	                               | blob A | blob B | blob C | blob D | blob B | …
//	                               +--------+--------+--------+--------+--------+--
//	                                   ^                          ^
//	packs, in chunks of 2048:          |                          |
//	+----------------------------+-----|------+-------------------|--------+--
//	| ID, 32 bytes | first entry = 0          | ID, 32 bytes | first = 3   | …
//	+-----------------------------------------+----------------------------+--
//
//	an entry, 48 bytes:
//	 0                    32        36        40              44            48
//	+--------------------+---------+---------+---------------+-------------+
//	| blob ID            | offset  | length  | uncompressed  | t, pack     |
//	+--------------------+---------+---------+---------------+-------------+
//	  all numbers 32 bits, as in the format; t is bit 31: 1 for a tree
//
// Chunks are never copied or moved. What lies in them is never changed, so the
// iterators read it without holding the lock.
//
// Blobs are found with a hash table whose buckets are one cache line each:
//
//	 0                                       48            60     61     62   64
//	+---------------------------------------+-------------+------+------+----+
//	| 12 numbers of entries                 | 12 tags     | used | over | -- |
//	+---------------------------------------+-------------+------+------+----+
//
// A hash of the blob's ID gives the bucket and one byte, the tag. Only entries with
// that tag are compared, so a blob that is there costs two accesses to memory (the
// bucket, the entry) and one that is not costs one. An entry whose bucket is full
// goes to the next one, and over says so. Nothing is ever removed. The table is a
// list of slabs of 16 KiB: to grow it gets more slabs, is emptied and filled again
// from the entries, so there are never two tables, nor garbage.
//
// An index is as good as the lock under which it was loaded (restic-format.md 12):
// throw it away with the lock.
package index
