// Package media copies from a phone what lies in its media partition: music,
// ringtones, books and other synced media, which no iPhone backup carries, and
// the camera roll. It comes over AFC (package afc), for which the phone asks no
// passcode, and becomes snapshots of a lineage of their own:
//
//	paths /<UDID>/Media    host keepsake    tags keepsake-media, udid:…, name:…
//
//	/<UDID>/Media/DCIM/100APPLE/IMG_0001.HEIC
//	/<UDID>/Media/iTunes_Control/Music/F00/ABCD.m4a
//	/<UDID>/Media/iTunes_Control/iTunes/MediaLibrary.sqlitedb
//
// with names, sizes and modification times as the phone tells them. It can be
// taken out as files; back into the phone's own library there is no way for it
// (protocol.md 14.5).
//
//	list: ReadDir, GetFileInfo ──► compare with what is stored ──► read the rest ──► trees, snapshot
//	      several connections          by path, size, mtime           FileOpen, FileRead
//
// AFC answers one question at a time, so a copy of many small files takes as
// long as its round trips: several connections share them. Each has one file
// open at most, since phones have few handles (protocol.md 14.2).
//
// # What is not read again
//
// A file whose path, size and modification time are those of the newest media
// snapshot of the phone; those that an interrupted copy had stored; and pictures
// that a backup in the same repository holds under the same path, size and
// second. No hash is to be had from phones for free (protocol.md 14.2).
//
// An interrupted copy leaves its blobs in the repository. Now and then it also
// leaves a tree blob there that names what was stored since the last time, and
// writes the IDs of these trees into a file of the station (Options.State). They
// tell nothing of the phone to who has no key. The next copy takes such a tree
// for one more snapshot to compare with. If a prune took it, or a blob of it, the
// files concerned are read again.
//
// # What cannot be read
//
// A locked phone refuses single files, and some it never opens (protocol.md
// 14.1, 14.2). They are told (Result.Problems), and everything else is copied. If
// the newest media snapshot has an earlier state of such a file or folder, the
// new one keeps that, under its own time: what cannot be seen today is not taken
// for deleted.
//
// A file that changes while it is read is read once more, and else treated
// likewise. Databases and their write-ahead logs are read, and compared
// afterwards, together; the -shm beside them is not copied, SQLite makes it anew.
package media
