// Package apps tells which apps a phone has, what a backup holds of each, and gives
// any file of it.
//
// What is an app's lies in domains (backup-format.md 4.1):
//
//	AppDomain-net.whatsapp.WhatsApp                  its own files
//	AppDomainGroup-group.net.whatsapp.WhatsApp.shared   what it shares with others of its maker
//	AppDomainPlugin-net.whatsapp.WhatsApp.Share      those of an extension
//	HomeDomain, MediaDomain, CameraRollDomain, …     nobody's: the system's
//
// Names and versions are in the lists beside them, Info.plist and Manifest.plist
// (backup-format.md 2), of which [Installed] makes what the reader wants.
//
// No list says whose a group or an extension is. It is taken to belong to the app
// whose bundle ID it begins with, after "group." and the ten letters of a team; what
// belongs to none stands by itself, and so do the domains of the system, so that
// every file of a backup is in one of the records. As folders:
//
//	Apps/WhatsApp/Data/Documents/…
//	Apps/WhatsApp/Shared (group.net.whatsapp.WhatsApp.shared)/ChatStorage.sqlite
//	Apps/WhatsApp/Extension (net.whatsapp.WhatsApp.Share)/…
//	Apps/Other/Shared (group.net.whatsapp.family)/…
//	Apps/System/HomeDomain/Library/…
package apps
