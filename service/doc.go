// Package service is Keepsake as it runs by itself: it notices phones, decides
// when to back them up, does it, keeps copies and proofs, and tells people.
//
//	svc, err := service.Open(ctx, service.Options{Data: dir, DB: db, Phones: watcher, Places: places})
//	err = svc.Run(ctx) // until ctx ends and everything that it started has
//
// One loop (loop.go) does nothing but look; all that takes time runs beside it:
//
//	discovery ── sightings ──┐
//	clock, catalog ──────────┼─► step: schedule.Decide for each phone ─► queue ─► jobs ─► engines
//	people (server.Service) ─┘        ▲                                            │
//	                                  └──── what jobs and prompts have shown ◄─────┘
//
// # The queue
//
// Jobs are in the catalog, one of a kind for each phone at a time. What may run
// beside what is in the table lanes (queue.go): one job has a phone; as many phones
// as the settings say are worked on at once; upkeep runs beside them; and only the
// removal of versions wants a repository for itself, and makes way as soon as a
// phone waits for it.
//
// A job that is cut off, by a stop, a crash or a pulled cable, loses nothing that
// has arrived: upkeep begins again by itself, and what a phone had sent is completed
// at the start (resume.go), or by the next backup. Whether the phone is asked again
// is for the schedule: every time may cost its owner a passcode.
//
// # What is known, and what is only remembered
//
// The repositories are the truth. The catalog has a copy of their lists of versions,
// so that pages need neither disk nor network; it is read anew at the start and
// after every job (refresh.go). Of a phone, what it said last is kept (contact.go).
//
// # Who may do what
//
// Service.may decides, and nobody else: may.go has the table. A member does not see
// the phones of others. An admin sees how they are, and looks into none of them
// unless its owner lets admins in; whoever has root on the machine and the password
// of the place can, and only a place of one's own prevents that.
//
// # Secrets
//
// The password of the place, backup passwords, places for messages, pair records
// and credentials are sealed in the catalog, and never given out by a method.
package service
