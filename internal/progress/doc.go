// Package progress shows people and programs how far a long piece of work is.
//
// The work calls a Reporter; it neither knows nor waits for who looks on:
//
//	Terminal   one line that redraws itself, and lines above it that stay
//	Plain      a line now and then, for logs and pipes
//	JSON       one object a line, for programs
//	Quiet      nothing but what somebody must act on
//
//	r.Phase("receive", "Receiving files")
//	r.Update(progress.Counters{Files: 12, Bytes: 3 << 20, Fraction: 0.04})
//	r.Say(progress.Action, "Enter the passcode on the iPhone.")
//	r.Close()
//
// Reporters throttle themselves, so call Update as often as anything changes.
// All of them may be used by several goroutines.
package progress
