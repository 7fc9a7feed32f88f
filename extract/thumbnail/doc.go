// Package thumbnail makes small pictures of pictures and films that lie in an fs.FS,
// and JPEGs of HEIC pictures. It is the only package that starts programs with
// what comes from a phone.
//
//	JPEG, PNG, GIF, WebP   decoded here, if their pixels fit into a budget that is
//	                       known from their heads before anything is decoded
//	HEIC, HEIF             heif-convert of libheif, where it is installed (Linux)
//	MOV, MP4, M4V          ffmpeg, where it is installed (Linux): the first picture
//
// What a file is, its first bytes tell, not its name.
//
// # Programs
//
// They get the file in memory (memfd_create(2), which no disk backs) under a name in
// /proc/self/fd, an empty environment, limits for memory, processor time and size of
// output, and half a minute. Of a film of many gigabytes they get a file of that
// length with holes: everything but the film's data, and of that the beginning, where
// its first picture is.
//
//	ftyp  moov  mdat ........        the film
//	####  ####  ####                 what is filled in; the rest is a hole
//
// heif-convert tells by its name what to write; the name is a link, in a folder in
// memory, to another such file.
package thumbnail
