// Soak lives through a month with a household in minutes: one service, virtual
// phones with owners who come home, go to bed, plug in, say no and travel, and a
// computer that sleeps, is stopped, killed, and loses its disks.
//
//	go run ./internal/soak -days 30
//
// The service is the real one, over its catalog, real repositories in folders and
// the phones' real protocol on loopback. Only its clock is ours: it runs a hundred
// times as fast as the real one while anything happens, and leaps when nothing does.
//
//	people ──► virtual phones ──► usbmuxd ──► *service.Service ──► disks that fill up and go
//	   │            │                              │
//	   │            ▼ their own diaries            ▼ what its page says
//	   └──────────► checks ◄───────────────────────┘
//
// What is checked, at every step and at the end:
//
//   - no rule of prompts is broken, by the phones' own diaries and a clock on the wall;
//   - what the page says of each phone is so, at the moment that it says it;
//   - no job is lost, doubled, or left open, and each version has its job;
//   - the last good version of each phone restores, file for file as the phone was.
package main
