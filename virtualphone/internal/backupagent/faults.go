package backupagent

import (
	"context"
	"encoding/binary"
	"io"
	"strconv"
	"strings"
	"syscall"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/fault"
)

// hit counts at a point that knows the common actions only.
func (a *agent) hit(ctx context.Context, point string, n int64) error {
	if f, due := a.due(point, n); due {
		return a.act(ctx, f)
	}
	return nil
}

// due counts at a point. Nothing is counted while no fault waits there.
func (a *agent) due(point string, n int64) (fault.Fault, bool) {
	if !a.phone.Waits(point) {
		return fault.Fault{}, false
	}
	return a.phone.Hit(point, n)
}

// act does what every point knows. Unknown actions are an error of whoever
// wrote the fault, and reach the host as such.
func (a *agent) act(ctx context.Context, f fault.Fault) error {
	switch f.Action {
	case "cut":
		a.link.conn.Close()
		return errCut
	case "stall":
		// Reading on is how the phone notices that the host gave up.
		a.link.conn.SetIdle(0)
		r, release := a.link.conn.Reader(ctx)
		defer release()
		if _, err := io.Copy(io.Discard, r); err != nil {
			return err
		}
		return errCut
	case "cancel":
		a.phone.Notify(notifyCancel)
		return errCancelled
	case "lock":
		return errLocked
	case "error":
		code, err := strconv.ParseInt(f.Arg, 10, 32)
		if err != nil {
			return mbError(mobilebackup2.CodeGeneric, "fault "+f.String()+": no error code")
		}
		return asked(mobilebackup2.Code(code))
	case "unknown":
		// Hosts answer with an error, hang up, or say nothing (protocol.md 3.3).
		_, err := a.link.ask(ctx, "DLMessageUnheardOf", f.Arg)
		return err
	}
	return mbError(mobilebackup2.CodeGeneric, "fault "+f.String()+" means nothing here")
}

// asked is the error with that code, in the words of protocol.md 8.2 where
// they are known.
func asked(code mobilebackup2.Code) *Error {
	for _, e := range []*Error{errLocked, errSetup, errCloudRestore, errFindMy, errHostFull, errBadPassword, errCancelled, errManifestLost} {
		if e.Code == code {
			return e
		}
	}
	texts := map[mobilebackup2.Code]string{
		mobilebackup2.CodeMultiple:        "Multiple errors",
		mobilebackup2.CodeExists:          "Failed to create snapshot: File exists (17)",
		mobilebackup2.CodeNotFound:        "No such file or directory",
		mobilebackup2.CodeFileModified:    "File modified while being read",
		mobilebackup2.CodePolicy:          "Encrypted backup required by policy",
		mobilebackup2.CodeHostIO:          "Input/output error",
		mobilebackup2.CodeReadingFromHost: "Error reading status",
		mobilebackup2.CodeWritingToHost:   "Multiple errors uploading files",
		mobilebackup2.CodeNoSpaceOnDevice: "Insufficient free disk space on device to restore",
		mobilebackup2.CodeVersion:         "Unsupported version",
		mobilebackup2.CodeEmptyBackup:     "Backup is empty",
	}
	if text, ok := texts[code]; ok {
		return mbError(code, text)
	}
	return mbError(code, "Internal error")
}

// fileFault is what goes wrong with one file that is being sent.
type fileFault struct {
	err    error        // the phone cannot read it
	skip   bool         // none of its data is sent
	code   byte         // ends with this code
	broken func() error // called after the first data instead of going on
}

// fileFault starts a fault of "upload.file". It may change the paths that are
// told to the host.
func (a *agent) fileFault(ctx context.Context, u *uploading, f fault.Fault, e *entry, device, host *string) (fileFault, error) {
	switch f.Action {
	case "path":
		*host = hostilePath(f.Arg)
	case "devpath":
		*device = hostilePath(f.Arg)
	case "duplicate":
		// The same file once more, empty, just before the real one.
		if err := u.file(*device, *host); err != nil {
			return fileFault{}, err
		}
		return fileFault{}, u.end()
	case "readerror":
		return fileFault{err: syscall.EIO, skip: true}, nil
	case "changed":
		return fileFault{err: errModified}, nil
	case "badcode":
		code, err := strconv.ParseUint(f.Arg, 0, 8)
		if err != nil || code == 0 {
			code = 0x07
		}
		return fileFault{code: byte(code)}, nil
	case "truncate":
		return fileFault{broken: func() error { return a.breakFrame(u, 1<<16, 100) }}, nil
	case "huge":
		return fileFault{broken: func() error { return a.breakFrame(u, 1<<32-1, 1<<20) }}, nil
	default:
		if err := u.w.Flush(); err != nil {
			return fileFault{}, err
		}
		return fileFault{}, a.act(ctx, f)
	}
	return fileFault{}, nil
}

// breakFrame announces a frame of one length, sends another and hangs up.
func (a *agent) breakFrame(u *uploading, announced uint32, sent int) error {
	var head [frameHead]byte
	binary.BigEndian.PutUint32(head[:], announced)
	head[4] = devicelink.CodeData
	// The host may have hung up already: it is what the fault is for.
	u.w.Write(head[:])
	u.w.Write(make([]byte, sent))
	u.w.Flush()
	a.link.conn.Close()
	return errCut
}

// badCode ends a file with a code that no phone uses.
func (u *uploading) badCode(code byte) error {
	return devicelink.WriteFrame(u.w, []byte{code}, []byte("unheard of"))
}

// hostilePath gives the path that a fault asks for. "NUL" and "LONG" stand for
// what cannot be written in a fault, \x00 for a zero byte.
func hostilePath(arg string) string {
	switch arg {
	case "NUL":
		return "Status\x00.plist"
	case "LONG":
		return strings.Repeat("x", 5000)
	}
	return strings.ReplaceAll(arg, `\x00`, "\x00")
}
