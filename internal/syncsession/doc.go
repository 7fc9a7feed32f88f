// Package syncsession tells a phone that a sync goes on, the way iTunes and
// Finder do around a backup or restore (protocol.md 4.8), and listens to what
// its owner does meanwhile.
//
//	post syncWillStart
//	open /com.apple.itunes.lock_sync over AFC
//	post syncLockRequest
//	lock it, up to 50 times 200 ms apart while another host has it
//	post syncDidStart
//	…
//	unlock, close, post syncDidFinish
//
// The three steps of a caller:
//
//	s, err := syncsession.Open(ctx, phone, heard)   // services, nothing locked
//	err = s.Lock(ctx)
//	defer s.Close()                                 // whatever happened
package syncsession
