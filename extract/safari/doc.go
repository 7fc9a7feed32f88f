// Package safari reads what Safari keeps on an iPhone: bookmarks, the reading list, the
// history, and the tabs that are open here and on the owner's other devices.
//
// Each is in a store of its own below Library/Safari (content-schemas.md 10), of
// HomeDomain or of the app's own domain or of both, and each may be missing: history and tabs are only in encrypted backups.
//
//	Bookmarks.db     bookmarks: a tree by parent; type 1 is a folder. special_id 3 is the
//	                 reading list, whose articles have read other than NULL and a property
//	                 list in extra_attributes; 4 is a list of the parental controls
//	History.db       history_visits ─► history_items; one file more for each profile,
//	                 Profiles/<id>/History.db, since iOS 17
//	BrowserState.db  tabs, up to about iOS 15
//	SafariTabs.db    bookmarks, where a folder is a group of tabs, one of subtype 2 a profile
//	CloudTabs.db     cloud_tabs ─► cloud_tab_devices
//
// Bookmarks count seconds from 1970, the others from 2001.
package safari
