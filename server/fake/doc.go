// Package fake is a household that exists only in memory: four people, their
// phones in every mood, months of versions, jobs that advance by the clock, and
// places for copies. It implements server.Service, so that the page, its pictures
// and its tests need neither a phone nor a repository.
//
//	home := fake.New(fake.Options{})                // the family
//	home := fake.New(fake.Options{Phones: 50, Versions: 100}) // many, to measure with
//
// Jobs advance as the clock does: how far one is follows from when it began. What
// the methods change stays changed until the process ends, so that every form of
// the page can be used.
//
// The accounts of the family are numbered 1 (Anna, the admin), 2 (Ben), 3 (Clara)
// and 4 (David); whoever keeps accounts beside it makes them in that order.
package fake
