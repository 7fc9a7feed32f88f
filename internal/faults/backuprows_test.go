//go:build linux

package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/keepsake-backup/keepsake/afc"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// Exit codes of docs/cli.md.
const (
	failed        = 1
	incomplete    = 3
	wrongPassword = 12
	noPhone       = 20
	refused       = 21
	interrupted   = 130
	byKill        = -1
)

const (
	nothingTold = "(nothing: the program is gone)"
	runAgain    = "Start the same command again: it goes on where it stopped."
)

// backupRows break a second backup.
var backupRows = []row{
	// The connection breaks.
	{fault: "cable comes out while the backup service greets", arm: "cut@service.com.apple.mobilebackup2", code: failed},
	{fault: "cable comes out as soon as the backup is asked for", arm: "cut@backup.start", code: failed},
	{fault: "cable comes out while the phone reads Status.plist", arm: "cut@status", code: failed},
	{fault: "cable comes out while the phone looks for changes", arm: "cut@scan", code: failed},
	{fault: "cable comes out before folders are made", arm: "cut@prepare", code: failed},
	{fault: "cable comes out at the first byte of the files", arm: "cut@upload:1", code: failed},
	{fault: "cable comes out in the middle of a file", arm: "cut@upload:30000", code: failed},
	{fault: "cable comes out between two files", arm: "cut@upload.file:5", code: failed},
	{fault: "cable comes out before the manifests", arm: "cut@manifest", code: failed},
	{fault: "cable comes out before files are put in place", arm: "cut@move:1", code: failed},
	{fault: "cable comes out between files and Manifest.plist", arm: "cut@move:2", code: failed},
	{fault: "cable comes out between Manifest.plist and Manifest.db", arm: "cut@move:3", code: failed},
	{fault: "cable comes out before old files are removed", arm: "cut@remove", code: failed},
	{fault: "cable comes out while the phone verifies", arm: "cut@verify", code: failed, second: true},
	{fault: "cable comes out before the phone's last word", arm: "cut@respond", code: failed, second: true},
	{fault: "unplugged in the middle and plugged in again", arm: "stall@upload:30000", code: failed, during: func(w *world, r *run) {
		r.until(w.t, phase("receiving"))
		w.Unplug()
		w.Plug()
	}},
	{fault: "unplugged before it starts", code: noPhone, act: func(w *world) *run {
		w.Unplug()
		return backUp(w)
	}, after: func(w *world) { w.Plug() }},

	// The phone goes silent.
	{fault: "a frame of 4 GiB in place of the greeting", arm: "huge@service.com.apple.mobilebackup2", code: failed},
	{fault: "phone silent as soon as the backup is asked for", arm: "stall@backup.start", code: failed},
	{fault: "phone silent while it looks for changes", arm: "stall@scan", code: failed},
	{fault: "phone silent in the middle of a file", arm: "stall@upload:30000", code: failed},
	{fault: "phone silent while files are put in place", arm: "stall@move:2", code: failed},
	{fault: "phone silent while it verifies", arm: "stall@verify", code: failed, second: true},

	// The phone says nonsense.
	{fault: "a frame is shorter than it says", arm: "truncate@upload.file:3", code: failed},
	{fault: "a frame of 4 GiB in the middle of a file", arm: "huge@upload.file:3", code: failed},
	{fault: "a message without meaning in place of the greeting", arm: "garbage@service.com.apple.mobilebackup2", code: failed},
	{fault: "a file ends with a code that nobody knows", arm: "badcode@upload.file:3", code: failed},
	{fault: "a message that nobody knows", arm: "unknown@scan", second: true, told: "(nothing: the phone is told so, and goes on)", remedy: "Nothing."},
	{fault: "the phone sends neither manifest", arm: "nomanifest@manifest", code: failed},
	{fault: "the phone sends one file twice, empty the first time", arm: "duplicate@upload.file:3", second: true, told: "(nothing: the second one counts, and the backup is complete)", remedy: "Nothing."},
	{fault: "the phone names the path ../../evil", arm: "path@upload.file:3=../../evil", code: failed},
	{fault: "the phone names the path /etc/evil", arm: "path@upload.file:3=/etc/evil", code: failed},
	{fault: "the phone names a path with a zero byte", arm: "path@upload.file:3=NUL", code: failed},
	{fault: "the phone names a path of 5,000 characters", arm: "path@upload.file:3=LONG", code: failed},
	{fault: `the phone names the path ..\..\evil`, arm: `path@upload.file:3=..\..\evil`, code: failed},

	// The phone or its owner says no.
	{fault: "a file that the phone cannot read", arm: "readerror@upload.file:3", code: incomplete, second: true, older: "/Documents/journal.txt"},
	{fault: "the phone locks in the middle", arm: "lock@upload.file:3", code: refused},
	{fault: "cancelled on the phone", arm: "cancel@upload.file:3", code: refused},
	{fault: "the passcode is not entered", set: "passcode=refuse", undo: "passcode=none", code: refused},
	{fault: "the phone is managed and insists on encryption", arm: "error@backup.start=22", code: refused},
	{fault: "the phone has an internal problem", arm: "error@scan=1", code: failed},
	{fault: "the phone is restoring from iCloud", set: "cloud-restore=on", undo: "cloud-restore=off", code: refused},
	{fault: "the phone is being set up", set: "setup=setup", undo: "setup=done", code: refused},
	{fault: "the phone forgot this computer, and its owner does not trust it again", set: "trust=refuse", undo: "trust=auto", code: refused, prepare: forgetPairing},
	{fault: "another computer is syncing the phone", code: failed, act: whileOtherSyncs},

	// This computer's disk.
	{fault: "the disk is full before it starts (ENOSPC)", act: onDisk(asRoot, diskWithBytes), code: failed},
	{fault: "the disk fills up while files arrive (ENOSPC)", act: onDisk(asRoot, fmt.Sprintf(diskWithFiles, 290)), code: failed},
	{fault: "the disk fails when data have to be durable (EIO)", act: func(w *world) *run { return &w.child(envSyncFails, nil, "backup", "--folder", w.dir).run }, code: failed},
	{fault: "the folder is another user's (EACCES)", act: onDisk(asNobody, folderForbidden), code: failed,
		prepare: func(w *world) { w.must(os.Chmod(w.dir, 0o500)) }, after: func(w *world) { w.must(os.Chmod(w.dir, 0o700)) }},
	{fault: "the disk is mounted read-only (EROFS)", act: onDisk(asRoot, diskReadOnly), code: failed},
	{fault: "the disk is not there", act: func(w *world) *run {
		return w.keepsake("backup", "--folder", filepath.Join(w.host, "gone", "backups"))
	}, code: failed},

	// This program.
	{fault: "the program is killed while the phone looks for changes", arm: "stall@scan", act: killed(phase("preparing"), "finished"), code: byKill, told: nothingTold, remedy: runAgain},
	{fault: "the program is killed while a file arrives", arm: "stall@upload:30000", act: killed(phase("receiving"), "uploading"), code: byKill, told: nothingTold, remedy: runAgain},
	{fault: "the program is killed while files are put in place", arm: "stall@move:2", act: killed(phase("moving"), "moving"), code: byKill, told: nothingTold, remedy: runAgain},
	{fault: "the program is killed while old files are removed", arm: "stall@remove", act: killed(phase("moving"), "removing"), code: byKill, told: nothingTold, remedy: runAgain},
	{fault: "the program is killed while the phone verifies", arm: "stall@verify", act: killed(phase("removing"), "finished"), code: byKill, told: nothingTold, remedy: runAgain, second: true},
	{fault: "interrupted with Ctrl-C while files arrive", arm: "stall@upload:30000", code: interrupted, act: func(w *world) *run {
		c := w.child("", nil, "backup", "--folder", w.dir)
		c.until(w.t, phase("receiving"))
		w.must(c.cmd.Process.Signal(syscall.SIGINT))
		return &c.run
	}},
	{fault: "the same backup is started twice at once", arm: "stall@upload:30000", act: whileAnotherRuns, code: failed},
}

// forgetPairing lets the phone forget every computer.
func forgetPairing(w *world) {
	w.must(os.WriteFile(filepath.Join(w.host, "..", "phone", "pairings.json"), []byte("[]"), 0o600))
}

// whileAnotherRuns starts a second run while the first hangs.
func whileAnotherRuns(w *world) *run {
	first := backUp(w)
	first.until(w.t, phase("receiving"))
	second := backUp(w)
	second.wait(w.t)
	first.cancel()
	first.wait(w.t)
	if first.code != interrupted {
		w.t.Errorf("the first run ended with %d: %s", first.code, first.output.String())
	}
	return second
}

// whileOtherSyncs starts a run while another host holds the sync lock.
func whileOtherSyncs(w *world) *run {
	addr, err := usbmux.ParseAddress(w.addr)
	w.must(err)
	d, err := device.Open(w.t.Context(), device.Options{Mux: &usbmux.Client{Address: addr}})
	w.must(err)
	defer d.Close()
	conn, err := d.StartService(w.t.Context(), afc.Service)
	w.must(err)
	other := afc.New(conn)
	defer other.Close()
	f, err := other.OpenFile(w.t.Context(), "/com.apple.itunes.lock_sync", afc.ModeReadWriteCreate)
	w.must(err)
	w.must(f.Lock(w.t.Context()))
	r := backUp(w)
	select {
	case <-r.done:
	case <-time.After(patience):
	}
	return r
}
