package chunker

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path"
	"strings"
)

// Kind is how a file's content behaves from one backup to the next, and so how
// to cut it. This file is the whole rule.
type Kind uint8

const (
	// General is everything else: text, property lists, documents. It is cut by
	// content, so that an insertion moves the cuts along with it.
	General Kind = iota
	// Database is changed in place, page by page: pieces of fixed length, counted
	// from the start of the file, so that a changed page costs one piece.
	Database
	// Media never changes and is compressed already: pieces as long as they may
	// be, and no try at compressing them.
	Media
)

func (k Kind) String() string {
	switch k {
	case General:
		return "general"
	case Database:
		return "database"
	case Media:
		return "media"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// headSize is how many bytes decide.
const headSize = 512

// Classify tells the kind of a file from its first bytes, of which it wants
// 512, and its name (with or without folders before it). The bytes have the
// first word: an extension only counts where they say nothing.
func Classify(name string, head []byte) Kind {
	head = head[:min(len(head), headSize)]
	switch {
	case isDatabase(head):
		return Database
	case isMedia(head):
		return Media
	}
	return byExtension(name, head)
}

// isDatabase: a SQLite main file, or a write-ahead log with either byte order of checksums.
func isDatabase(head []byte) bool {
	if bytes.HasPrefix(head, []byte("SQLite format 3\x00")) {
		return true
	}
	return len(head) >= 4 && binary.BigEndian.Uint32(head)&^1 == 0x377f0682
}

// mediaMagics begin a file that is compressed already.
var mediaMagics = []string{
	"\xff\xd8\xff",         // JPEG
	"\x89PNG\r\n\x1a\n",    // PNG
	"GIF87a",               // GIF
	"GIF89a",               //
	"\x00\x00\x00\x0cJXL ", // JPEG XL
	"\x00\x00\x00\x0cjP  ", // JPEG 2000
	"ID3",                  // MP3 with tags
	"OggS",                 // Ogg: Opus, Vorbis
	"fLaC",                 // FLAC
	"#!AMR",                // AMR: voice messages
	"\x1a\x45\xdf\xa3",     // Matroska, WebM
	"PK\x03\x04",           // ZIP, IPA, EPUB, office documents
	"\x1f\x8b\x08",         // gzip
	"\xfd7zXZ\x00",         // xz
	"\x28\xb5\x2f\xfd",     // zstd
	"7z\xbc\xaf\x27\x1c",   // 7-Zip
	"Rar!\x1a\x07",         // RAR
	"bvx2",                 // LZFSE
	"AEA1",                 // Apple Encrypted Archive
}

func isMedia(head []byte) bool {
	for _, magic := range mediaMagics {
		if len(head) >= len(magic) && string(head[:len(magic)]) == magic {
			return true
		}
	}
	at := func(offset int, s string) bool {
		return len(head) >= offset+len(s) && string(head[offset:offset+len(s)]) == s
	}
	switch {
	case at(4, "ftyp"):
		// HEIC, HEIF, AVIF, MOV, MP4, M4A, M4V, 3GP: all boxes, all compressed. A
		// first box longer than this is text that happens to say "ftyp".
		return binary.BigEndian.Uint32(head) <= 4096
	case at(0, "RIFF"):
		return at(8, "WEBP") || at(8, "AVI ") // not WAVE: bare samples
	case at(0, "BZh"):
		return at(4, "\x31\x41\x59\x26\x53\x59") || at(4, "\x17\x72\x45\x38\x50\x90")
	case at(0, "caff"):
		// The first chunk says what it holds: caff(8) 'desc'(4) size(8) rate(8).
		return at(8, "desc") && len(head) >= 32 && !at(28, "lpcm")
	}
	return false
}

// extensions of files whose first bytes may say nothing. Media: streams without
// a header, and QuickTime films of the time before "ftyp". Databases: those that
// an app encrypts, page by page, so that the first one is noise too.
var extensions = map[string]Kind{
	".mp3": Media, ".aac": Media, ".mov": Media, ".qt": Media, ".mpg": Media, ".mpeg": Media, ".ts": Media,
	".sqlite": Database, ".sqlite3": Database, ".sqlitedb": Database, ".db": Database, ".db3": Database,
}

func byExtension(name string, head []byte) Kind {
	kind, ok := extensions[strings.ToLower(path.Ext(name))]
	if !ok || isText(head) {
		return General
	}
	return kind
}

// isText tells whether head may be text in UTF-8: a TypeScript source is no
// transport stream.
func isText(head []byte) bool {
	for _, b := range head {
		switch {
		case b == '\t', b == '\n', b == '\r', b == '\f':
		case b < 0x20, b == 0x7f, b >= 0xf8: // the last are in no character
			return false
		}
	}
	return len(head) > 0
}
