// Package schedule decides when to back up which phone. It is arithmetic on what
// is known: it waits for nothing, asks nobody and keeps nothing.
//
//	d := schedule.Decide(policy, facts)
//	if d.Start { … } else { show(d.Text, d.Do, d.Why); lookAgain(d.Until) }
//
// Every phone with a passcode asks for it at every start of a backup, and nothing
// can avoid that (protocol.md 6). So the question is less when a backup is due
// than when its owner may be asked, and how seldom:
//
//	              window            turn: until the next window begins
//	  ┌─────────────┴─────────────┐┌───────────────┴──────────────┐
//	──[18:00═════════════════23:00)───────────────────────────────[18:00═══…
//	        ▲ at most one prompt in a turn, 6 hours apart
//
//	due       the turn that begins EveryDays windows after that of the last good
//	          one: asked in the hand (just plugged in, unlocked, put on its
//	          charger) or at an hour at which the passcode is usually entered
//	overdue   the turns after that: asked at any hour that is not hopeless, and at
//	          those as well if the turn before had no better one
//
// Back Up Now and the owner's signal may always ask. A phone that does not ask is
// backed up as soon as a window is open. A window at whose end this computer was
// off stays open until the next one begins.
//
// A Decision carries the words that a person reads: what is waited for, who must
// do what, and why. All of them are in testdata/sentences.txt.
package schedule
