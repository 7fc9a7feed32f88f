// Package music reads music and other media: songs, films, podcasts, audiobooks,
// books and ringtones.
//
// No backup of an iPhone carries what was synced from a computer, nor songs from the
// store (backup-format.md 4.4). They are in a media copy (package media), whose tree
// this package reads, as it reads a backup that has the library after all:
//
//	.  or  Media  or  MediaDomain/Media
//	├── iTunes_Control/iTunes/MediaLibrary.sqlitedb   titles, playlists, ratings (content-schemas.md 11)
//	├── iTunes_Control/iTunes/Ringtones.plist         names of ringtones
//	├── iTunes_Control/Music/F00/ABCD.m4a             the files
//	├── iTunes_Control/Ringtones, Purchases, Podcasts, Books
//
// An item's file is base_location.path, a slash, and item_extra.location. What the
// library does not know, or all where there is none, is described by its own tags: of
// MPEG-4 (package mp4), and ID3 of .mp3:
//
//	"ID3"  u8 version 2, 3, 4  u8 revision  u8 flags  size: 4 × 7 bits
//	       flags: 0x80 unsynchronised (FF 00 stands for FF), 0x40 a header follows
//	frame: 2.2   3 letters, u24 size
//	       2.3   4 letters, u32 size, u16 flags
//	       2.4   4 letters, size of 4 × 7 bits, u16 flags
//	text:  u8 encoding (0 Latin-1, 1 UTF-16 with a mark, 2 UTF-16BE, 3 UTF-8), text
//
//	TIT2 TT2 title  TPE1 TP1 artist  TPE2 TP2 album artist  TALB TAL album
//	TRCK TRK track  TPOS TPA disc    TYER TYE TDRC year     TCON TCO genre  TCOM TCM composer
//
// and of the last 128 bytes of older files, "TAG" and fields of fixed length (ID3v1).
package music
