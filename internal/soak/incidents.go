package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone"
)

// incidents are what happens to computers, disks and cables.
type incidents struct {
	h *house
	// When the disk is well again and the target is there again.
	diskBack, targetBack time.Time
	diskBad, targetGone  bool
}

// aDay is how many ticks a day has.
const aDay = int(24 * time.Hour / tick)

// happen lets things go wrong.
func (in *incidents) happen(ctx context.Context, now time.Time) error {
	h := in.h
	if in.diskBad && now.After(in.diskBack) {
		in.diskBad = false
		h.disk.set(now, false, -1)
	}
	if in.targetGone && now.After(in.targetBack) {
		if err := in.returnTarget(); err != nil {
			return err
		}
	}
	later := func() time.Time { return now.Add(time.Duration(1+h.rnd.IntN(20)) * time.Hour) }
	switch h.rnd.IntN(2 * aDay) { // each of them every second day
	case 0, 1, 2:
		return in.breakBackup()
	case 3:
		return in.sleep(now)
	case 4:
		return in.restart(ctx, now, h.shut)
	case 5:
		return in.restart(ctx, now, h.crash)
	case 6:
		return in.restart(ctx, now, func() error { return in.kill(ctx) })
	case 7:
		if !in.diskBad {
			in.diskBad, in.diskBack = true, later()
			h.tally["full disks"]++
			h.disk.set(now, false, int64(h.rnd.IntN(200_000)))
		}
	case 8:
		if !in.diskBad {
			in.diskBad, in.diskBack = true, later()
			h.tally["disks taken away"]++
			h.disk.set(now, true, -1)
		}
	case 9:
		if !in.targetGone {
			in.targetGone, in.targetBack = true, later()
			h.tally["targets taken away"]++
			return os.Rename(h.target(), h.target()+".gone")
		}
	case 10:
		return in.reboot(ctx)
	}
	return nil
}

func (in *incidents) returnTarget() error {
	in.targetGone = false
	// Nothing may have been put where a disk is not.
	if _, err := os.Stat(in.h.target()); !errors.Is(err, fs.ErrNotExist) {
		in.h.complain("something was written where the target is mounted when it is there: %v", err)
	}
	return os.Rename(in.h.target()+".gone", in.h.target())
}

// end puts everything right.
func (in *incidents) end(ctx context.Context) error {
	in.h.disk.set(in.h.clock.Now(), false, -1)
	if in.targetGone {
		if err := in.returnTarget(); err != nil {
			return err
		}
	}
	for _, p := range in.h.people {
		p.phone.ClearFaults()
	}
	return in.h.settle(ctx)
}

// cuts are where connections break: from the greeting to the very end.
var cuts = []string{"service.com.apple.mobilebackup2", "backup.start", "status", "scan", "prepare", "upload:1", "upload.file:3", "upload.file:40", "upload:300000", "manifest", "move", "verify", "respond"}

// breakBackup lets the next backup of somebody's phone break off.
func (in *incidents) breakBackup() error {
	h := in.h
	p := h.people[h.rnd.IntN(len(h.people))]
	faults, err := virtualphone.ParseFaults("cut@" + cuts[h.rnd.IntN(len(cuts))])
	if err != nil {
		return err
	}
	h.tally["breaks prepared"]++
	p.phone.AddFaults(faults...)
	return nil
}

// sleep is the computer sleeping for some hours, with all that it does.
func (in *incidents) sleep(now time.Time) error {
	in.h.tally["sleeps"]++
	in.h.clock.leap(now.Add(time.Duration(1+in.h.rnd.IntN(10)) * time.Hour))
	return nil
}

// restart ends the service some way, for some minutes or hours.
func (in *incidents) restart(ctx context.Context, now time.Time, end func() error) error {
	if err := end(); err != nil {
		return err
	}
	off := time.Duration(in.h.rnd.IntN(90)) * time.Minute
	if in.h.rnd.IntN(3) == 0 {
		off = time.Duration(in.h.rnd.IntN(30)) * time.Hour
	}
	in.h.clock.leap(now.Add(off))
	return in.h.open(ctx)
}

// reboot restarts somebody's phone.
func (in *incidents) reboot(ctx context.Context) error {
	p := in.h.people[in.h.rnd.IntN(len(in.h.people))]
	in.h.tally["phones restarted"]++
	if err := p.phone.Reboot(ctx); err != nil {
		return err
	}
	p.unlocked = !p.passcode // it waits for its first unlock, whatever it was before
	return nil
}
