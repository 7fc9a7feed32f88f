// Package place finds what is at the address that people give for their backups, and
// opens or makes the repositories there.
//
// A place is a repository, or a location, which holds one repository for each phone
// below its UDID (design.md 8). A place where nothing is yet is neither, and becomes a
// location with the first backup.
//
//	at, err := location.Parse("/media/usb")
//	home, err := place.OpenHome(ctx, at, place.HomeOptions{Access: access, Password: password})
//	repo, made, err := home.Of(ctx, udid, report)
//	defer home.Release(repo)
//
// The commands and the service go through here alike, so that what one of them has
// made the other finds.
package place
