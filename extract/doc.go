// Package extract is what readers of content share: photos, contacts, messages and
// the other kinds, each in a package below this one, all of them listed in
// extract/kinds.
//
// A reader ([Extractor]) gets a [Source], one phone at one moment as an [fs.FS] with
// a folder for each domain, and gives records, one for each thing that a person
// would name. It knows neither repositories nor phones, writes nothing and keeps no
// more in memory than it must: records go to the caller as they are read.
//
//	fs.FS of a version ──► Source ──► Extractor.Read ──► Emitter.Emit(Record)  ──► JSON, CSV, page, search, changes
//	  HomeDomain/Library/…    │                      └─► Emitter.Report(Problem)   what could not be read
//	                          └─────► Exporter.Export ──► outtree.Tree             files for other programs
//
// # Three answers
//
// There are rows; there is nothing of the kind in this version ([ErrAbsent]); or it
// could not be read (any other error, wrapping [sqlitefs.ErrDamaged] where a store is
// at fault). They are never mistaken for each other. A row that cannot be read is
// reported and left out, the rows after it are read.
//
// # Keys
//
// A record's key is that of the same thing in every version of the phone: a GUID or
// UUID that the app itself keeps, or what comes closest. By it the search tells in
// which versions a thing is, and the history of changes what came and went.
package extract
