// Package targets keeps copies of repositories on further ones, targets: a hard
// disk, a USB key, a bucket, a server. Each has a name, a key and a password of
// its own, and need not be there: a disk is in a drawer most of the time.
//
//	main repository ── Copy ──► target "usb"      <location>
//	                ── Copy ──► target "offsite"  <location>/<UDID>, one for each phone
//	                ◄─ Repair ─►
//
// The two calls that most people need:
//
//	k := &targets.Keeper{Book: targets.OpenBook(station), Open: …, Password: …}
//	result, err := k.Copy(ctx, "usb", targets.Main{Repo: r}, targets.CopyOptions{})
//	report, err := k.Repair(ctx, targets.Main{Repo: r}, nil, targets.RepairOptions{})
//
// # How a target is recognised
//
// By what is on it, not by where it is mounted. A Book remembers of each target
// the repository's ID and the digest of its config file. The config is sealed and
// does not change, so that its digest tells, without any password, whether the
// disk at a path is the one. Where it is looked for, in this order:
//
//   - the location where it was last,
//   - paths that the caller names,
//   - the same folder below every place where a disk is mounted now.
//
// If none has it, the target is absent (AbsentError), which is no failure. If
// another repository lies where it was, nothing is written there
// (WrongRepositoryError): the ID is compared before anything is, a lock included.
//
// # What a Book promises
//
// It says what was seen, never what is hoped: LastCopied is set when every version
// that was to be copied is durable on the target; Verified when a check of the
// target itself found nothing wrong, and a check that finds damage takes nothing
// back but is remembered as Damaged until one passes.
//
// # What is in a Book
//
// The document "targets" of the station: {"version":1,"targets":[…]}. It holds no
// password in clear: it names a file or a command, or holds one that was sealed
// under the main repository's key.
package targets
