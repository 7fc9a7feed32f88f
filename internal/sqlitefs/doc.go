// Package sqlitefs opens SQLite databases that lie in an [fs.FS]: in a version of
// a phone, in a folder of iTunes, encrypted or not. Pages are read when SQLite asks
// for them; nothing is copied, nothing is written, not even beside the database.
//
// # The write-ahead log
//
// What an app wrote last is often in X-wal, beside the database X. SQLite itself
// needs a writable folder and shared memory to read it. This package lays the
// committed pages of the log over those of the database instead, and shows SQLite
// one file that has no log:
//
//	X-wal, all integers big-endian (sqlite.org/fileformat2.html, 4.1):
//
//	 0  4  magic 0x377F0682 (checksums little-endian) or 0x377F0683 (big-endian)
//	 4  4  format 3007000
//	 8  4  page size
//	12  4  checkpoint number
//	16  8  salt
//	24  8  checksum of bytes 0 to 23
//	32     frames:
//	         0  4  page number, from 1
//	         4  4  size of the database in pages if this frame commits, else 0
//	         8  8  salt, as in the header
//	        16  8  checksum of the log so far: header, then bytes 0 to 7 and page of each frame
//	        24     the page
//
// The log ends at the first frame whose salt or checksum is wrong; what counts is
// what lies before the last commit. A rollback journal X-journal that was left hot
// is laid over the database in the same way, with the pages from before the
// transaction that never ended.
//
// # Untrusted databases
//
// Contents come from a phone, and maybe from somebody who wants to harm its owner.
// The connection runs no triggers, trusts no schema, and gives no cell of more than
// [MaxCell] bytes. [DB.Has] knows real tables only: a view or virtual table that
// takes a table's name is as good as absent.
//
// # Reading columns
//
// Schemas differ between versions of iOS (content-schemas.md 0): probe, then ask.
// [DB.Column] names a column in a SELECT, or NULL where it is missing. Values have
// whatever type a row has, not that of the column; [Text], [Int], [Real] and [Blob]
// take all of them.
package sqlitefs
