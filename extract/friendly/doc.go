// Package friendly shows a source as people would have sorted it: a folder for each
// kind of content, in it the files of its [extract.Filer]. It is what a mount and a
// network drive show.
//
//	Photos/2026/2026-03/IMG_0001.HEIC     bytes of the source, streamed
//	Contacts/Jane Doe.vcf                 made when it is first looked at
//	Apps/Notes/NoteStore.sqlite           folders of the source, listed when opened ([Brancher])
//	Messages/Could not be read.txt        why there is nothing else in it
//
// Kinds of which the source has nothing have no folder. A kind is listed when its
// folder is first opened, and the list is kept: about 200 bytes a file. A list that
// could not be made is tried again half a minute later.
//
// # Names
//
// They are those of [outtree.Escape], so that Windows and macOS can show them, too.
// Names that such a system takes for the same (case, composed letters) get " (2)",
// " (3)" before their endings, in an order that depends on nothing but the names
// and what is behind them.
//
// # Made files
//
// The size of a file that is made is known only when it has been made: the first
// Stat does that. The last 64 MiB of them are kept in memory, and nothing of them
// ever lies on a disk. Larger ones are refused with [ErrTooLarge].
package friendly
