// Package picture makes the pictures, films and songs of a virtual phone: files
// that open in every viewer, no two alike, as large as wanted.
//
// JPEG and PNG come from the standard library's encoders. HEIC, QuickTime and
// M4A come from small templates in templates/, made once from drawings of our
// own (see templates/README.md), in which the metadata is exchanged in place.
// Random bytes fill a file up to a realistic size where its format allows
// anything:
//
//	JPEG        APP11 segments        FFEB, u16 length, bytes
//	PNG         one private chunk     u32 length, "ksPd", bytes, u32 CRC
//	HEIC, MOV   one box at the end    u32 length, "free", bytes
//
// The camera that the metadata names does not exist.
package picture
