// Package changes tells what has changed on a phone between two of its versions, as
// people would say it: contacts added, changed and removed, conversations that got
// shorter, photos deleted, apps gone; and it warns when much has vanished at once.
//
//	c, err := changes.Compare(ctx, older, newer, kinds.All(), report)
//	err = c.WriteText(os.Stdout)
//
// # How
//
// The records of the newer version are read first, and of each is kept a digest of its
// key and one of what it says: 48 bytes, whatever its size. Then those of the older one
// are read and looked up. So what was removed or changed is named when it is met, and
// only the newest few that were added are read once more. Two million messages take
// 120 MB, and less than 300 MB with what the garbage collector has not yet taken.
//
// # What is a loss
//
// A record of the older version that is not in the newer one is removed, unless it had
// been deleted before (the phone empties "recently deleted" by itself) or comes and
// goes by itself ([extract.Entry.Volatile]). A kind that could not be read in one of
// the versions, or that this sort of backup does not have, is unknown: nothing is said
// to be gone.
package changes
