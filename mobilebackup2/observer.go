package mobilebackup2

// Phase is what a job is doing, as far as the messages of the phone tell.
type Phase string

// The phases in their usual order. A backup goes through all but Sending more
// than once; a restore is Waiting, Sending and Preparing.
const (
	Waiting   Phase = "waiting"   // no message yet: the phone prepares, or asks for its passcode
	Preparing Phase = "preparing" // the phone reads its old manifests, scans, asks for room
	Receiving Phase = "receiving" // files arrive
	Moving    Phase = "moving"    // all has arrived: files go from Snapshot to their places
	Removing  Phase = "removing"  // what the phone no longer has is taken away
	Verifying Phase = "verifying" // the phone compares the backup with its manifest
	Sending   Phase = "sending"   // a restore: files go to the phone
)

// File is one file on its way.
type File struct {
	Path       string // in the store
	DevicePath string // on the phone; empty for files that go to it
}

// Observer is told what happens. The job calls it from its own goroutine and
// waits for it, so it must be quick.
type Observer interface {
	Phase(Phase)
	// Progress is the phone's own idea of how far the whole job is, 0 to 100 percent.
	Progress(percent float64)
	FileBegin(File)
	// FileBytes says that n more bytes of the current file have moved.
	FileBytes(n int64)
	// FileEnd gives the size, and why the file failed: a
	// devicelink.RemoteFileError when the phone could not read it, which it
	// may survive, or a HostError.
	FileEnd(f File, size int64, err error)
	// Moved and Removed count items that were renamed and taken away.
	Moved(n int)
	Removed(n int)
}

// Nobody is an Observer that does not care; embed it to implement a part.
type Nobody struct{}

func (Nobody) Phase(Phase)                {}
func (Nobody) Progress(float64)           {}
func (Nobody) FileBegin(File)             {}
func (Nobody) FileBytes(int64)            {}
func (Nobody) FileEnd(File, int64, error) {}
func (Nobody) Moved(int)                  {}
func (Nobody) Removed(int)                {}
