package itunesbackup

import "io"

// WithLog gives a SQLite database with the committed pages of its write-ahead
// log laid over it, as SQLite itself would read the two; db itself when wal holds
// none. Nothing is written. Its error wraps [ErrMalformed]; wal may have 1 GiB.
func WithLog(db io.ReaderAt, size int64, wal []byte) (io.ReaderAt, int64, error) {
	return applyWAL(db, size, wal)
}
