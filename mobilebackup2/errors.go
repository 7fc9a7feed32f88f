package mobilebackup2

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/internal/framing"
)

// HostError is a failure of the store: of this computer, not of the phone.
type HostError struct {
	Op   string // "write", "read", "list", "create folder", "move", "remove", "copy", "finish"
	Path string
	Err  error
}

func (e *HostError) Error() string {
	if e.Path == "" {
		return e.Op + ": " + e.Err.Error()
	}
	return e.Op + " " + e.Path + ": " + e.Err.Error()
}

func (e *HostError) Unwrap() error { return e.Err }

// Hint tells what to do about the disk.
func (e *HostError) Hint() string {
	switch {
	case devicelink.NoSpace(e.Err):
		return "Free some space on the disk of the backup, or choose another one, and start again: what has arrived is kept and not sent twice."
	case errors.Is(e.Err, syscall.EROFS):
		return "The disk of the backup can only be read. Mount it for writing (a disk with errors is often made read-only: check it), or choose another one."
	case errors.Is(e.Err, fs.ErrPermission):
		return "This user may not write to the backup's folder. Change its owner or permissions, or choose another folder."
	case devicelink.StatusOf(e.Err) == devicelink.StatusIO:
		return "The disk of the backup reports an input/output error: check its cable and its health (smartctl -a), then start again."
	case errors.Is(e.Err, fs.ErrNotExist):
		return "The backup's folder lacks a file that belongs to it. Was the disk removed?"
	}
	return "Check the disk of the backup and start again."
}

// MissingFilesError says which files the phone asked for in vain: the folder is
// no complete backup. It goes with the phone's own error.
type MissingFilesError struct {
	Paths []string // the first few
	Count int
}

func (e *MissingFilesError) Error() string {
	switch {
	case len(e.Paths) == 0:
		return fmt.Sprintf("%d files are missing in the backup", e.Count)
	case e.Count == 1:
		return "a file is missing in the backup: " + e.Paths[0]
	}
	return fmt.Sprintf("%d files are missing in the backup, the first is %s", e.Count, e.Paths[0])
}

// Hint points to the check.
func (e *MissingFilesError) Hint() string {
	return "The backup is not complete. Run \"keepsake check\" on it; restore another version if there is one."
}

// UnfinishedError says that the phone reported success while Status.plist in
// the store says something else.
type UnfinishedError struct {
	State string // its SnapshotState, or why there is none
}

func (e *UnfinishedError) Error() string {
	return "the phone reported success, but Status.plist says " + e.State
}

// Hint says how to go on.
func (e *UnfinishedError) Hint() string {
	return "Back up once more: the phone continues where it stopped."
}

// ErrDisconnected is wrapped when the phone closed the connection before its
// last word on the job.
var ErrDisconnected = errors.New("the phone closed the connection")

// LinkError is a connection that broke in the middle of a job.
type LinkError struct {
	Phase Phase
	Err   error // framing.WireError, framing.StalledError, devicelink.DisconnectedError or ErrDisconnected
}

func (e *LinkError) Error() string {
	when := cmp.Or(phaseWords[e.Phase], "while "+string(e.Phase))
	var wire *framing.WireError
	switch {
	case e.silent():
		return "the phone went silent " + when
	case errors.Is(e.Err, ErrDisconnected), errors.As(e.Err, &wire):
		return "the connection to the phone was lost " + when // how exactly depends on the system and on luck
	}
	return fmt.Sprintf("the connection to the phone ended %s: %v", when, e.Err)
}

func (e *LinkError) Unwrap() error { return e.Err }

func (e *LinkError) silent() bool {
	var stalled interface{ Timeout() bool }
	return errors.As(e.Err, &stalled) && stalled.Timeout()
}

// phaseWords say when.
var phaseWords = map[Phase]string{
	greeting:  "while the backup service started",
	Waiting:   "before it began",
	Preparing: "while it prepared the job",
	Receiving: "while files arrived",
	Moving:    "while files were put in place",
	Removing:  "while old files were removed",
	Verifying: "while it checked the backup",
	Sending:   "while files went to the phone",
}

// Hint depends on how it broke.
func (e *LinkError) Hint() string {
	switch {
	case e.silent() && e.Phase == Waiting:
		return "The phone did not begin. Unlock it, enter the passcode when it asks, and start again."
	case e.silent() && e.Phase == Sending:
		return "Unlock the phone, keep it charging and near, and start again: nothing on it has changed yet."
	case e.silent():
		return "Unlock the phone, keep it charging and near, and start again: a backup continues where it stopped."
	case e.Phase == Sending:
		return "Check the cable or the Wi-Fi and start again: nothing on the phone has changed yet. If it keeps happening, restart the phone."
	}
	return "Check the cable or the Wi-Fi and start again: a backup continues where it stopped. If it keeps happening, restart the phone."
}

// NonsenseError is an answer that no phone should give.
type NonsenseError struct{ Err error }

func (e *NonsenseError) Error() string {
	return "the phone sent something that cannot be understood: " + e.Err.Error()
}

func (e *NonsenseError) Unwrap() error { return e.Err }

// Hint says what has helped, and who should hear of it.
func (e *NonsenseError) Hint() string {
	return "Restart the phone and start again. If it happens again, look for a newer release of this program, and please report it."
}

// VersionError says that the phone and this host have no protocol version in common.
type VersionError struct{ Offered float64 }

func (e *VersionError) Error() string {
	return fmt.Sprintf("the phone speaks backup protocol %g, this host 2.0 and 2.1", e.Offered)
}

// Hint for a version nobody has seen yet.
func (e *VersionError) Hint() string { return "Look for a newer release of this program." }

// hints are the remedies for the codes of MBErrorDomain (protocol.md 4.6).
var hints = map[Code]string{
	CodeGeneric:          "The phone had an internal problem. Restart it and try again.",
	CodeMultiple:         "The phone had several problems at once. Restart it and try again.",
	CodeExists:           "A snapshot of an interrupted run is still mounted on the phone. Restart the phone and try again.",
	CodeNotFound:         "The phone misses a file of the backup. Was the folder changed or the disk removed?",
	CodeFileModified:     "A file changed while the phone read it. Close the apps that are busy and try again.",
	CodeMalformed:        "A property list of the backup is damaged. Run \"keepsake check\" on it.",
	CodePolicy:           "The phone is managed and its policy demands encrypted backups: ask its administrator, or switch encryption on.",
	CodeCloudRestore:     "The phone is still restoring from iCloud. Wait until it has finished.",
	CodeHostIO:           "The phone could not work with this computer's disk. Check the disk and its free space.",
	CodeDeviceRead:       "The phone could not read some of its own files. Restart it and try again.",
	CodeDeviceWrite:      "The phone could not write. Free some space on it, restart it and try again.",
	CodeReadingFromHost:  "The phone could not read the backup. Run \"keepsake check\" on it, then try again.",
	CodeWritingToHost:    "The phone could not hand over all files. Keep it unlocked and awake; if it stops at the same file each time, that file or its app is damaged: open it on the phone, or delete it.",
	CodeNoSpaceOnHost:    "There is not enough room. For a backup, free space on this computer's disk or choose another one; for a restore, free space on the phone.",
	CodeNoSpaceOnDevice:  "The phone has not enough free space for this backup: delete something on it, or restore onto a larger phone.",
	CodeCancelled:        "It was cancelled on the phone. Start again when you like: a backup continues where it stopped.",
	CodeVersion:          "This backup was made by a newer iOS than the phone runs. Update the phone (Settings → General → Software Update), then restore.",
	CodeEmptyBackup:      "This folder holds no finished backup. Make one, or choose another.",
	CodeCorruptBackup:    "The phone finds the backup damaged or incomplete. Run \"keepsake check\" on it. For a backup: start again with --full.",
	CodePassword:         "The backup password is wrong or missing. It is the one that was set when encryption was switched on, for this or any other computer; not the passcode.",
	CodeLocked:           "The passcode was not entered, or the phone is locked. Unlock it, start again, and enter the passcode on the phone when it asks.",
	CodeFindMy:           "Switch Find My iPhone off first: Settings → your name → Find My → Find My iPhone. Switch it on again after the restore.",
	CodeSetupNotFinished: "The phone is still being set up. Finish its set-up, then back it up; to put a backup onto it, restore now.",
}

// Hint is what the owner can do about the phone's refusal, "" when unknown.
func (e *DeviceError) Hint() string { return hints[e.Code] }
