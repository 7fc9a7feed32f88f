// Package voicememos reads recordings of the app Voice Memos, with what the phone
// has understood of them (content-schemas.md 6).
//
//	AppDomainGroup-group.com.apple.VoiceMemos.shared/Recordings   since iOS 17
//	MediaDomain/Media/Recordings, MediaDomain/Library/Recordings  before
//	Media/Recordings, Recordings                                  in a media copy
//	├── CloudRecordings.db, Recordings.db     titles, dates, folders
//	├── 20250312 143015-8A1B2C3D.m4a, .qta    name: local date and time, begin of the UUID
//	└── 20250312 143015-8A1B2C3D.composition  of one that was edited
//	    ├── manifest.plist                    RCSavedRecordingTitle, RCSavedRecordingCreationTime
//	    └── fragments
//
// All places are read. What lies there and is in no database is a recording, too.
//
// Since iOS 18 the phone writes a transcript into the file, as JSON (package mp4
// tells where):
//
//	{"locale": {"identifier": "en_US"},
//	 "attributedString": {
//	   "runs": ["Hello", 0, " there", 1],          text and index into the table, in turn
//	   "attributeTable": [{"timeRange": [0, 0.4]}, {"timeRange": [0.4, 0.9]}]}}    from, to, in seconds
//
// An attributedString that is a text instead ("") means that nobody spoke.
package voicememos
