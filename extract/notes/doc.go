// Package notes reads Notes: accounts, folders and notes with all that is in them,
// locked ones too if their password is known, and writes them as pages and as
// Markdown.
//
//	AppDomainGroup-group.com.apple.notes/
//	  NoteStore.sqlite                      since iOS 9
//	    ZICCLOUDSYNCINGOBJECT   accounts, folders, notes, attachments, media, tags:
//	                            rows of one table, told apart by Z_ENT, whose numbers
//	                            are in Z_PRIMARYKEY and differ between phones
//	    ZICNOTEDATA             the bodies
//	  Accounts/ACCOUNT/
//	    Media/MEDIA/[GENERATION/]NAME       originals
//	    FallbackImages/ATTACHMENT.jpg       what a drawing looks like; since iOS 17
//	    FallbackImages/ATTACHMENT/GENERATION/FallbackImage.png
//	    FallbackPDFs/ATTACHMENT/GENERATION/FallbackPDF.pdf      what a scan looks like
//	    Previews/ATTACHMENT-1-192x144-0.png, …/GENERATION/Preview.png
//	HomeDomain/Library/Notes/notes.sqlite   before, and for accounts of mail providers:
//	    ZNOTE, ZNOTEBODY with HTML, ZSTORE, ZACCOUNT
//
// Facts are those of content-schemas.md 7 and of the public database that the tests
// read.
//
// # A body
//
// ZDATA is a gzip member around a protocol buffer. Lengths are in UTF-16 units:
//
//	2 document { 3 note {
//	  2 text, UTF-8; U+FFFC stands for an attachment
//	  5 run … { 1 length, 2 paragraph { 1 style, 2 alignment, 4 indent,
//	      5 checklist {1 UUID, 2 done}, 8 quote }, 3 font {1 name, 2 size},
//	      5 weight (1 bold, 2 italic, 3 both), 6 underline, 7 strike,
//	      8 superscript (+) or subscript (−), 9 link, 10 colour {1–4 floats},
//	      12 attachment {1 identifier, 2 type}, 14 emphasis } } }
//
//	style: absent or −1 body, 0 title, 1 heading, 2 subheading, 4 monospace,
//	       100 dotted, 101 dashed, 102 numbered, 103 checklist
//
// # A table
//
// ZMERGEABLEDATA1 (ZMERGEABLEDATA before iOS 13) of an attachment is gzip around
// objects that refer to each other by their number:
//
//	2 document { 3 data { 3 object …, 4 key name …, 5 type name …, 6 UUID … } }
//
//	object  1 register { 2 value }
//	        6 dictionary { 1 { 1 key, 2 value } … }
//	        10 note, as in a body: a cell
//	        13 map { 1 type, 3 { 1 key name, 2 value } … }
//	        16 ordered set { 1 ordering { 1 array { 2 { 2 UUID } … }, 2 dictionary } }
//	value   2 number, 4 string, 6 object
//
// The map of the type com.apple.notes.ICTable is the table: crRows and crColumns are
// ordered sets, cellColumns is a dictionary of columns to dictionaries of rows to
// cells. The array of an ordered set has the order; its dictionary leads from the
// identities of the array to those that cells use.
//
// # Locked notes
//
//	first bytes of ZDATA   1F 8B      not locked
//	                       bplist00   locked with the phone's passcode: the key is not in
//	                                  the database, and nothing outside the phone opens it
//	                       others     locked with a password:
//
//	KEK      = PBKDF2-HMAC-SHA256(password, ZCRYPTOSALT, ZCRYPTOITERATIONCOUNT), 16 bytes
//	key      = AES key unwrap (RFC 3394) of ZCRYPTOWRAPPEDKEY, else ZCRYPTOVERIFIER
//	content  = AES-128-GCM(key), with a vector of 16 bytes and the tag in columns
//
// A picture in a locked note has a key of its own, wrapped in the same way, in the row
// of its media; the vector and tag of the file are ZASSETCRYPTO…. Tables and names in
// locked notes are in ZENCRYPTEDVALUESJSON of the attachment's row.
package notes
