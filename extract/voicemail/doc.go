// Package voicemail reads the messages that callers have left.
//
// HomeDomain/Library/Voicemail (content-schemas.md 5):
//
//	voicemail.db        voicemail, deleted   one row each, both with the same columns
//	                    map                  label → account, of phones with two lines
//	17.amr              the sound of row 17, AMR-NB
//	17.transcript       what was said, a keyed archive: transcriptionString, confidence
//	Greeting.amr        the owner's greeting
//
// The sound of AMR-NB (RFC 4867, section 5) is "#!AMR\n" and then frames of 20
// milliseconds. The first byte of each has its mode in bits 3 to 6, and with that its
// length: 12, 13, 15, 17, 19, 20, 26 or 31 more bytes, 5 of comfort noise, none of a
// frame without data.
//
// Of the flags it is known that 64 is listened to and 8 deleted; all of them are kept as
// they are.
package voicemail
