// Package mp4 finds things in MPEG-4 and QuickTime files (.m4a, .m4p, .mp4, .mov,
// .qta) without reading the sound: it walks their boxes with a few small reads.
//
//	box:    u32 size (whole box, big-endian)  4 letters type  content
//	        size 1: u64 size follows the type     size 0: to the end of what it is in
//
//	ftyp                      "M4A ", "qt  "
//	mdat                      the sound, most of the file
//	moov
//	├── mvhd                  how long it plays
//	├── udta
//	│   └── meta              with a word of version and flags in MPEG-4 (ISO 14496-12)
//	│       └── ilst
//	│           ├── ©nam      each: data { u32 type, u32 locale, value }
//	│           └── ©ART, …
//	└── trak
//	    ├── mdia/minf/stbl/stsd     sample entry "mp4a", or "drms" under FairPlay
//	    ├── udta
//	    │   └── tsrp          JSON: the transcript of a voice memo (.m4a)
//	    └── meta              without that word in QuickTime (.qta)
//	        ├── keys          version, u32 count, each { u32 size, "mdta", name }
//	        └── ilst
//	            └── u32 1     the item of the first key: data { u32 type, u32 locale, value }
//
// What a file says of its sizes is not believed: a box never reaches beyond the box
// that it is in, no list is longer than 4096 boxes, and nothing is nested but along
// the path that is asked for.
package mp4
