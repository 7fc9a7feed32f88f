// Package retention decides which snapshots to keep: restic's rules, so that
// "restic forget" and this package come to the same result on the same
// repository. Everything here is a pure function of its arguments; nothing is
// removed here.
//
// Snapshots are first chosen (Filter), then sorted into groups (GroupBy), and
// the Policy is applied to each group by itself:
//
//	--keep-daily 3        newest                                     oldest
//	snapshots             Thu 20:00  Thu 08:00  Tue 20:00  Mon 20:00  Sun 20:00
//	                      keep       remove     keep       keep       remove
//
// A rule such as "3 daily" walks from the newest snapshot to the oldest and
// keeps the first one of each day until it has kept three. Days without a
// snapshot do not count. While a rule is not used up, it also keeps the oldest
// snapshot of the group, so that the history that is kept is as long as it can
// be. A snapshot stays when any rule keeps it.
//
// Hours, days, weeks (ISO 8601, beginning on Monday), months and years are
// those of the clock on the wall where the snapshot was made: the offset from
// UTC that is written in the snapshot counts, not the zone of the computer that
// decides. That is what restic does, too.
//
// On top of that Marks knows what the tags of a repository mean: which snapshots
// are a line of their own, which are proofs of others and go with them, and which
// versions are not to be taken away by any policy.
package retention
