package backupagent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// Error is an error of MBErrorDomain: what the phone answers a request with
// (protocol.md 4.6, 4.7).
type Error struct {
	Code mobilebackup2.Code
	Text string // without the parts that Error adds
	Path string // "" when there is none to name
	// Under is the error behind it, or nil.
	Under *Error
}

// Error gives the text as it stands in ErrorDescription.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Text)
	if e.Path != "" {
		b.WriteString(` at path "` + e.Path + `"`)
	}
	fmt.Fprintf(&b, " (MBErrorDomain/%d)", e.Code)
	if e.Under != nil {
		b.WriteString(". Underlying error: " + e.Under.Error() + ".")
	}
	return b.String()
}

func mbError(code mobilebackup2.Code, text string) *Error { return &Error{Code: code, Text: text} }

// The refusals whose words were seen on real phones (protocol.md 8.2); the
// words of CodeCloudRestore and of a required encryption are ours.
var (
	errLocked        = mbError(mobilebackup2.CodeLocked, "Device locked")
	errLockedTimeout = mbError(mobilebackup2.CodeLocked, "Device locked - timeout waiting for passcode entry")
	errSetup         = mbError(mobilebackup2.CodeSetupNotFinished, "Unable to backup until Setup is finished")
	errCloudRestore  = mbError(mobilebackup2.CodeCloudRestore, "Unable to backup while a restore from iCloud is in progress")
	errNotEncrypted  = mbError(mobilebackup2.CodePassword, "Backup encryption is required but not enabled")
	errFindMy        = mbError(mobilebackup2.CodeFindMy, "Find My iPhone must be disabled before restoring")
	errHostFull      = mbError(mobilebackup2.CodeNoSpaceOnHost, "Insufficient free disk space on drive to back up")
	errBadPassword   = mbError(mobilebackup2.CodePassword, "Invalid password")
	errCancelled     = mbError(mobilebackup2.CodeCancelled, "Cancelled")
	errManifestLost  = mbError(mobilebackup2.CodeCorruptBackup, "Manifest references files not in backup")
	errDigest        = mbError(mobilebackup2.CodeCorruptBackup, "Digest didn't match for some files")

	errRestorePassword = &Error{Code: mobilebackup2.CodePassword, Text: "Invalid password when restoring encrypted backup",
		Under: mbError(mobilebackup2.CodePassword, "MKBKeyBagUnlock error (-3)")}
	errEncryptionLocked = &Error{Code: mobilebackup2.CodeGeneric, Text: "Error setting WillEncrypt value in lockdown",
		Under: mbError(mobilebackup2.CodePolicy, "Cannot remove iTunes Backup Encryption - Encrypted Backup MDM setting present on device")}
)

// hostError is what the host reported about one of its files or folders.
type hostError struct {
	status devicelink.Status
	text   string
	path   string
	unsent bool // the host stopped before it came to this file
}

// mb translates as the phone does (end of protocol.md 4.5).
func (e *hostError) mb() *Error {
	code := mobilebackup2.CodeHostIO
	switch e.status {
	case devicelink.StatusNotFound:
		code = mobilebackup2.CodeNotFound
	case devicelink.StatusExists:
		code = mobilebackup2.CodeExists
	case devicelink.StatusMulti:
		code = mobilebackup2.CodeMultiple
	case devicelink.StatusNoSpace:
		code = mobilebackup2.CodeNoSpaceOnHost
	}
	text := e.text
	if text == "" || text == devicelink.EmptyParameter {
		text = fmt.Sprintf("Host error %d", e.status)
	}
	return &Error{Code: code, Text: text, Path: e.path}
}

// readFailed wraps a failure to read from the host (end of protocol.md 4.6).
func readFailed(text string, under *Error) *Error {
	code := mobilebackup2.CodeReadingFromHost
	switch under.Code {
	case mobilebackup2.CodeNotFound, mobilebackup2.CodeMalformed, 12:
		code = mobilebackup2.CodeCorruptBackup
	case mobilebackup2.CodeVersion:
		code = mobilebackup2.CodeVersion
	}
	return &Error{Code: code, Text: text, Under: under}
}

// writeFailed wraps a failure to write to the host (end of protocol.md 4.6).
func writeFailed(text string, under *Error) *Error {
	code := mobilebackup2.CodeWritingToHost
	switch under.Code {
	case mobilebackup2.CodeExists, mobilebackup2.CodeNotFound:
		code = mobilebackup2.CodeCorruptBackup
	}
	return &Error{Code: code, Text: text, Under: under}
}

// malformed is the error below "Error reading …" when a property list or
// database of the backup cannot be parsed.
func malformed(err error) *Error {
	text := strings.ReplaceAll(err.Error(), "\n", " ")
	return &Error{Code: mobilebackup2.CodeMalformed, Text: text}
}

// emptyProperties is what a phone says about a property list of no bytes
// (protocol.md 8.2).
func emptyProperties() *Error {
	return mbError(mobilebackup2.CodeMalformed, "Error deserializing properties: Cannot parse a NULL or zero-length data")
}

// ProtocolError says that the host broke the rules of DeviceLink or
// mobilebackup2, so that the phone cannot go on with it.
type ProtocolError struct{ Reason string }

func (e *ProtocolError) Error() string { return "host broke the protocol: " + e.Reason }

func protocolError(format string, args ...any) error {
	return &ProtocolError{fmt.Sprintf(format, args...)}
}

var (
	// errDisconnected: the host said DLMessageDisconnect.
	errDisconnected = errors.New("host disconnected")
	// errCut: a fault closed the connection.
	errCut = errors.New("connection cut on command")
)

// refusal tells whether err is to be answered, and as what: an error of the
// phone as it is, a wire or protocol error not at all, everything else as the
// generic error (protocol.md 4.7).
func refusal(ctx context.Context, err error) (*Error, bool) {
	var mb *Error
	var protocol *ProtocolError
	switch {
	case errors.As(err, &mb):
		return mb, true
	case ctx.Err() != nil, errors.Is(err, errCut), errors.Is(err, errDisconnected), errors.As(err, &protocol), brokenWire(err):
		return nil, false
	}
	return mbError(mobilebackup2.CodeGeneric, err.Error()), true
}

// errnoText is how a phone words an operating system's error in a bulk frame:
// "Input/output error (5)" (protocol.md 8.3).
func errnoText(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		text := errno.Error()
		return fmt.Sprintf("%s%s (%d)", strings.ToUpper(text[:1]), text[1:], int(errno))
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "Permission denied (13)"
	case errors.Is(err, fs.ErrNotExist):
		return "No such file or directory (2)"
	}
	return "Input/output error (5)"
}
