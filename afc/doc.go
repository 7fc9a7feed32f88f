// Package afc is a client of Apple File Conduit (com.apple.afc): the files of
// the phone's media partition, /var/mobile/Media.
//
// Every packet has a header of 40 bytes, numbers little-endian (protocol.md
// 4.9):
//
//	0          8         16        24         32          40
//	+----------+---------+---------+----------+-----------+------+------+
//	| CFA6LPAA | entire  | header  | packet   | operation | head | data |
//	|          | length  | + head  | number   |           |      |      |
//	+----------+---------+---------+----------+-----------+------+------+
//
// The computer asks, the phone answers with the same packet number:
//
//	ReadDir "/DCIM\0"             → Data ".\0..\0100APPLE\0"
//	GetFileInfo "/DCIM\0"         → Data "st_size\0…\0st_ifmt\0S_IFDIR\0…"
//	FileOpen mode, "/a.jpg\0"     → FileOpenResult handle
//	FileRead handle, length       → Data, empty at the end of the file
//	FileWrite handle | bytes      → Status 0
//	FileLock handle, 6            → Status 0, or 19: another program has it
//	FileClose handle              → Status 0
//	anything that is refused      → Status, not 0
//
// A refusal is a [Status]; those that have an equivalent in io/fs match it:
//
//	errors.Is(err, fs.ErrNotExist)
//
// [Client] has the operations, [File] an open file, [Client.FS] the read side
// as an fs.FS. Phones have few handles for files (protocol.md 14.2): the
// client opens at most [MaxOpen] at a time and lets further callers wait.
package afc
