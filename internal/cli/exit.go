package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/restore"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// Exit codes. They are a contract: docs/cli.md lists them.
const (
	exitOK            = 0
	exitError         = 1
	exitUsage         = 2
	exitIncomplete    = 3 // done, but something could not be read
	exitNoRepository  = 10
	exitLocked        = 11 // the repository, by somebody else
	exitWrongPassword = 12
	exitNoPhone       = 20
	exitRefused       = 21 // by the phone or its owner, or the phone is locked
	exitInterrupted   = 130
)

// usageError is a command line that cannot be right. hint says what could.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }
func (e *usageError) Hint() string  { return e.hint }

// usageOf points to the help of cmd.
func usageOf(cmd *cobra.Command, err error) error {
	return &usageError{err, fmt.Sprintf("see %q", cmd.CommandPath()+" --help")}
}

// hintError is an error of this package with a remedy and, unless 0, an exit
// code of its own.
type hintError struct {
	err  error
	hint string
	code int
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }
func (e *hintError) Hint() string  { return e.hint }

// reported ends a command that has said itself what is wrong.
type reported struct{ code int }

func (e reported) Error() string { return fmt.Sprintf("reported: exit code %d", e.code) }

// errIncomplete: done, and told what could not be read.
var errIncomplete = reported{exitIncomplete}

// exitCode is the one place where errors become exit codes. ctx is that of the
// whole run.
func exitCode(ctx context.Context, err error) int {
	var (
		usage   *usageError
		told    reported
		hint    *hintError
		daemon  *usbmux.DaemonError
		refusal lockdown.Error
		answer  *mobilebackup2.DeviceError
		setup   *backup.SetupError
		policy  *backup.EncryptionPolicyError
		blocked *restore.BlockedError
	)
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &hint) && hint.code != 0:
		return hint.code
	case errors.As(err, &told):
		return told.code
	case errors.Is(err, repository.ErrNoRepository):
		return exitNoRepository
	case errors.Is(err, repository.ErrLocked):
		return exitLocked
	case errors.Is(err, keybag.ErrWrongPassword), errors.Is(err, repository.ErrWrongPassword):
		return exitWrongPassword
	case errors.Is(err, device.ErrNoDevice), errors.As(err, &daemon):
		return exitNoPhone
	case errors.Is(err, device.ErrLocked), errors.Is(err, device.ErrRefused), errors.Is(err, device.ErrTrustPending), errors.Is(err, device.ErrNotPaired):
		return exitRefused
	case errors.As(err, &answer):
		return exitOfDevice(answer.Code)
	case errors.Is(err, &mobilebackup2.DeviceError{Code: mobilebackup2.CodeCancelled}), errors.As(err, &setup), errors.As(err, &policy),
		errors.As(err, &blocked) && blocked.Check == "find_my":
		return exitRefused
	case errors.As(err, &refusal):
		return exitRefused
	}
	return exitError
}

// exitOfDevice sorts what the phone answers to a backup or restore (protocol.md
// 4.6): what its owner can change by an answer on the phone is a refusal.
func exitOfDevice(code mobilebackup2.Code) int {
	switch code {
	case mobilebackup2.CodePassword:
		return exitWrongPassword
	case mobilebackup2.CodeLocked, mobilebackup2.CodeCancelled, mobilebackup2.CodeFindMy, mobilebackup2.CodePolicy,
		mobilebackup2.CodeSetupNotFinished, mobilebackup2.CodeCloudRestore:
		return exitRefused
	}
	return exitError
}

// remedy is what err itself says to do, or what its kind suggests.
func remedy(err error, code int) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		if hint := h.Hint(); hint != "" {
			return hint
		}
	}
	switch {
	case errors.Is(err, device.ErrSeveral):
		return "say which with --udid: a UDID, the beginning of it, or the name that \"keepsake devices\" shows"
	case errors.Is(err, repository.ErrWrongPassword):
		return "the repository password is the one chosen at \"keepsake init\" or \"keepsake key\"; it is neither the iPhone's passcode nor its backup password"
	case errors.Is(err, repository.ErrLockLost):
		return "nothing is damaged: start the same command again; if this computer slept meanwhile, keep it awake"
	case errors.Is(err, backend.ErrFull):
		return "nothing is damaged: make room there, or free some with \"keepsake forget\" and \"keepsake prune\", and start again"
	case errors.Is(err, backend.ErrReadOnly):
		return "make the place writable; an append-only server removes nothing: forget and prune where it runs; to read only, give --no-lock"
	case errors.Is(err, backend.ErrDenied):
		return "look at the user name, password or keys for the storage, and at what they may do there"
	case errors.Is(err, device.ErrNotPaired):
		return "run \"keepsake pair\", and tap Trust on the iPhone"
	}
	switch code {
	case exitNoRepository:
		return "look at the location, and whether the disk is connected; \"keepsake init\" makes a new repository"
	case exitLocked:
		return "wait until the other work has finished, or let this one wait with --retry-lock 10m"
	case exitWrongPassword:
		return "the backup password is the one set for encrypted backups of this iPhone, not its passcode; it may have been set years ago, by another computer"
	case exitNoPhone:
		return "connect the iPhone by cable, unlock it, and see \"keepsake doctor\""
	case exitRefused:
		return "unlock the iPhone, look at its screen, and start again"
	}
	return ""
}

type errorMessage struct {
	MessageType string    `json:"message_type"` // "error"
	Time        time.Time `json:"time"`
	Code        int       `json:"code"` // the exit code
	Error       string    `json:"error"`
	Hint        string    `json:"hint,omitempty"`
}

// finish tells what went wrong and returns the exit code.
func (a *app) finish(err error) int {
	code := exitCode(a.ctx, err)
	if told := (reported{}); errors.As(err, &told) && code != exitInterrupted {
		return code
	}
	switch code {
	case exitOK:
	case exitInterrupted:
		a.tell(code, "interrupted", a.afterInterrupt())
	default:
		a.tell(code, err.Error(), remedy(err, code))
	}
	return code
}

func (a *app) tell(code int, what, hint string) {
	if a.json {
		a.emit(errorMessage{"error", now(), code, what, hint})
		return
	}
	writeError(a.Stderr, what, hint)
}

func (a *app) afterInterrupt() string {
	if a.interruptHint != "" {
		return a.interruptHint
	}
	return "start the same command again"
}

func writeError(w io.Writer, what, hint string) {
	fmt.Fprintf(w, "keepsake: %s\n", what)
	if hint != "" {
		fmt.Fprintln(w, sentence(hint))
	}
}

// sentence makes a clause into a sentence.
func sentence(s string) string {
	s = capital(strings.TrimSpace(s))
	if s != "" && !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "!") && !strings.HasSuffix(s, "?") {
		s += "."
	}
	return s
}

// capital begins s with a capital letter, unless with a name like iPhone.
func capital(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	second, _ := utf8.DecodeRuneInString(s[n:])
	if n == 0 || unicode.IsUpper(second) {
		return s
	}
	return string(unicode.ToUpper(first)) + s[n:]
}
