// Package photos reads the photo library of a phone: Photos.sqlite of
// CameraRollDomain, united with the files that lie beside it.
//
//	CameraRollDomain/Media/
//	  DCIM/100APPLE/IMG_0003.HEIC        an original: ZDIRECTORY + "/" + ZFILENAME
//	  DCIM/100APPLE/IMG_0003.MOV         the film of a Live Photo; it has no row of its own
//	  DCIM/100APPLE/IMG_0003.AAE         the recipe of an edit
//	  PhotoData/CPLAssets/group7/….HEIC  an original that iCloud Photos brought
//	  PhotoData/Mutations/DCIM/100APPLE/IMG_0003/Adjustments/FullSizeRender.jpg   the result of an edit
//	  PhotoData/Thumbnails/V2/DCIM/100APPLE/IMG_0003.HEIC/5005.JPG                a small picture
//	  PhotoData/Photos.sqlite            who is who (content-schemas.md 2)
//
// # Rows
//
// The library is a Core Data store whose tables are named after entity numbers that
// change with nearly every iOS. They are found, not known:
//
//	ZASSET (iOS 14 and later) or ZGENERICASSET     one row for each picture or film
//	 ├ ZADDITIONALATTRIBUTES ─► ZADDITIONALASSETATTRIBUTES ─► ZASSETDESCRIPTION (the caption)
//	 │                            └◄ Z_1KEYWORDS ─► ZKEYWORD
//	 ├ ZEXTENDEDATTRIBUTES ──► ZEXTENDEDATTRIBUTES (the camera; iOS 13 and later)
//	 ├ ZMASTER ──► ZCLOUDMASTER (iCloud's name for it)
//	 ├◄ Z_<n>ASSETS ─► ZGENERICALBUM (albums and the folders that they lie in)
//	 ├ ZCOLLECTIONSHARE ──► ZSHARE (shared albums, iOS 26 and later)
//	 └◄ ZDETECTEDFACE ─► ZPERSON
//
// Rows are chosen first, by their numbers alone, and read in portions: the newest 200
// of 100,000 cost little more than a look at their dates.
//
// # Files
//
// Whether an original is in the backup is told by the file, not by the row: with
// "Optimise storage" most rows have none ([Availability]). Files that no row names
// (imported by a program, or newer than the library) are records of the table
// "files", whatever they are; where the library is missing or damaged all files are listed as "photos".
//
// # Shared with You
//
// What others have sent in messages has a library of its own since iOS 15, of the same
// schema, in HomeDomain/Library/Photos/Libraries/Syndication.photoslibrary: files are
// originals/<ZDIRECTORY>/<ZFILENAME>, a folder for each first digit of the UUID. It is
// the table "shared", and in no album.
package photos
