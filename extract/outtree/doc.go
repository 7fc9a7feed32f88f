// Package outtree writes exported files into a folder of the owner's choice, so that
// any disk takes them and a second run adds only what is new.
//
// # Names
//
// Names come from phones, where everything but a slash and NUL may be in one. What
// Windows, FAT or macOS refuse is written as % and the byte in hexadecimal (UTF-8),
// and % itself as %25, so that [Unescape] gives the name back:
//
//	a:b?.txt      a%3Ab%3F.txt       < > : " / \ | ? * % and below 0x20, 0x7F
//	CON.txt       %43ON.txt          the first letter of Windows' device names
//	"dots. "      "dots.%20"         a dot or blank at the end
//	..            %2E%2E             a name of dots only, a dot in front stays
//
// A name of more than 240 bytes is cut between letters, gets "~" and eight digits of
// its hash before the ending, and stands whole in the ledger. Names that a disk takes for the same
// (case, composed letters) get " (2)", " (3)" before the ending.
//
// # The ledger
//
// The file .keepsake-export.jsonl in the folder has a line for each file: its key, by
// which the next run knows it again, its stamp, by which it knows whether it has
// changed, its path and its original name. A file that the owner has deleted is
// written again only when its stamp changes. Without the ledger everything is written
// again beside what is there; nothing that is there is ever overwritten, but documents
// that this package wrote itself.
package outtree
