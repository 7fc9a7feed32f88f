// Package search finds what is in the versions of a phone by its words, and tells in
// which versions it is: "when did this contact vanish?"
//
//	ix, err := search.Open(ctx, dir, key)          // dir: a cache for this phone alone
//	err = ix.Add(ctx, search.Version{ID: id, Parent: parent, Time: t}, kinds.All(), src, report)
//	result, err := ix.Search(ctx, search.Query{Text: "plum cake"})
//
// # What is kept
//
// A document is a record of a kind in one of its forms: a contact whose number changed
// is two. A version adds a segment with the documents that no earlier version had, and
// a list of all documents that it has. So a version with little new costs little but
// the reading, and the versions of a document are those in whose lists it is.
//
//	manifest     versions (kinds, and whether they could be read), segments
//	ver-…        of each version: which documents of which segments it has
//	seg-…        documents and words (internal/segment), never changed
//	lock         who writes
//
// Small segments are merged when there are many; documents that no version has any more
// are left out then. All files are sealed (internal/sealed), each for its own name, and
// the manifest names their numbers, so that none can be put in the place of another;
// only all of them together can be replaced by an earlier state. Nothing is ever
// written in clear.
//
// # A cache
//
// The index can be made again from the versions at any time. What cannot be opened (a
// file is damaged, the key is another) is left out: its versions are not in
// [Index.Versions], [Index.Trouble] says why, and adding them again repairs it. Files
// are written before the manifest that names them replaces the one before: a crash
// leaves the index as it was, and files that the next writer removes.
//
// One process writes, any number read at the same time; a reader sees the index as it
// was when it asked.
package search
