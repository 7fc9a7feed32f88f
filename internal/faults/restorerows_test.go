//go:build linux

package faults

import (
	"context"
	"os"
	"path/filepath"
)

// restoreRows break a restore onto an erased phone.
var restoreRows = []row{
	{fault: "cable comes out as soon as the restore is asked for", arm: "cut@restore.start", code: failed},
	{fault: "cable comes out while files go to the phone", arm: "cut@restore.download:129", code: failed},
	{fault: "phone silent while files go to it", arm: "stall@restore.download:129", code: failed},
	{fault: "the phone cancels the restore", arm: "cancel@restore.download:129", code: refused},
	{fault: "the phone locks during the restore", arm: "lock@restore.download:129", code: refused},
	{fault: "the phone restarts during the restore", arm: "stall@restore.download:129", code: failed, during: func(w *world, r *run) {
		r.until(w.t, phase("sending"))
		w.must(w.Reboot(context.Background()))
	}},
	{fault: "wrong backup password", act: restoreWith("wrong"), code: wrongPassword},
	{fault: "no backup password", act: restoreWith(""), code: wrongPassword},
	{fault: "Find My is on", set: "find-my=on", undo: "find-my=off", code: refused},
	{fault: "the phone is too small", set: "free-space=1000000", undo: "free-space=0", code: failed},
	{fault: "the phone's iOS is older than the backup's", set: "ios=17.0", undo: "ios=18.6", code: failed},
	{fault: "a file of the backup is missing", code: failed, prepare: func(w *world) {
		w.aside(sms)
	}, after: func(w *world) {
		w.whole(sms)
	}},
	{fault: "a file of the backup is damaged", code: failed, prepare: func(w *world) { w.flip(sms) }, after: func(w *world) { w.flip(sms) }},
	{fault: "Manifest.db is cut short", code: failed, prepare: func(w *world) { w.halve("Manifest.db") }, after: func(w *world) { w.whole("Manifest.db") }},
	{fault: "Manifest.plist is missing", code: failed, prepare: func(w *world) {
		w.aside("Manifest.plist")
	}, after: func(w *world) {
		w.whole("Manifest.plist")
	}},
	{fault: "Status.plist is damaged", code: failed, prepare: func(w *world) { w.spoil("Status.plist") }, after: func(w *world) { w.whole("Status.plist") }},
	{fault: "there is no backup in the folder", code: failed, act: func(w *world) *run {
		return w.keepsake("restore", "--folder", filepath.Dir(w.host), "--yes")
	}},
}

// sms is where HomeDomain/Library/SMS/sms.db lies in every backup.
const sms = "3d/3d0d7e5fb2ce288813306e4d4636395e047a3d28"

func (w *world) file(name string) string { return filepath.Join(w.folder(), filepath.FromSlash(name)) }

// flip turns a byte in the middle of a file over; twice makes it whole again.
func (w *world) flip(name string) {
	w.t.Helper()
	data, err := os.ReadFile(w.file(name))
	w.must(err)
	data[len(data)/2] ^= 0xff
	w.must(os.WriteFile(w.file(name), data, 0o600))
}

// aside takes a file away, halve leaves only the first half of it, spoil puts
// something else there, and whole brings it back.
func (w *world) aside(name string) {
	w.t.Helper()
	w.must(os.Rename(w.file(name), w.spare()))
}

func (w *world) halve(name string) {
	w.t.Helper()
	w.aside(name)
	data, err := os.ReadFile(w.spare())
	w.must(err)
	w.must(os.WriteFile(w.file(name), data[:len(data)/2], 0o600))
}

func (w *world) spoil(name string) {
	w.t.Helper()
	w.aside(name)
	w.must(os.WriteFile(w.file(name), []byte("no property list"), 0o600))
}

func (w *world) whole(name string) {
	w.t.Helper()
	w.must(os.Rename(w.spare(), w.file(name)))
}

func (w *world) spare() string { return filepath.Join(filepath.Dir(w.host), "aside") }
