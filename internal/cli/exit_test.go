package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/restore"
	"github.com/keepsake-backup/keepsake/usbmux"
)

func TestExitCode(t *testing.T) {
	answered := func(c mobilebackup2.Code) error {
		return fmt.Errorf("back up: %w", &mobilebackup2.DeviceError{Request: "Backup", Code: c, Text: "x"})
	}
	for name, c := range map[string]struct {
		err  error
		want int
	}{
		"done":                    {nil, 0},
		"anything":                {errors.New("x"), 1},
		"broken wire":             {io.ErrUnexpectedEOF, 1},
		"usage":                   {&usageError{errors.New("x"), ""}, 2},
		"unreadable files":        {errIncomplete, 3},
		"damage, told":            {reported{exitError}, 1},
		"own code":                {&hintError{err: errors.New("x"), code: exitRefused}, 21},
		"no code of its own":      {&hintError{err: keybag.ErrWrongPassword}, 12},
		"keybag does not open":    {fmt.Errorf("check: %w", keybag.ErrWrongPassword), 12},
		"phone: wrong password":   {answered(mobilebackup2.CodePassword), 12},
		"no phone":                {fmt.Errorf("open: %w", device.ErrNoDevice), 20},
		"no usbmuxd":              {&usbmux.DaemonError{Err: net.ErrClosed}, 20},
		"several phones":          {device.ErrSeveral, 1},
		"not paired":              {device.ErrNotPaired, 21},
		"locked":                  {device.ErrLocked, 21},
		"refused":                 {device.ErrRefused, 21},
		"trust not answered":      {device.ErrTrustPending, 21},
		"lockdown says no":        {lockdown.ServiceProhibited, 21},
		"phone: locked":           {answered(mobilebackup2.CodeLocked), 21},
		"phone: Find My":          {answered(mobilebackup2.CodeFindMy), 21},
		"phone: cancelled":        {answered(mobilebackup2.CodeCancelled), 21},
		"phone: in set-up":        {answered(mobilebackup2.CodeSetupNotFinished), 21},
		"cancelled at the phone":  {fmt.Errorf("back up: %w", &backup.CancelledError{}), 21},
		"still in set-up":         {&backup.SetupError{State: device.InSetup}, 21},
		"managed, must encrypt":   {&backup.EncryptionPolicyError{}, 21},
		"pre-flight: Find My":     {&restore.BlockedError{Finding: restore.Finding{Check: "find_my"}}, 21},
		"pre-flight: password":    {&restore.BlockedError{Finding: restore.Finding{Check: "password"}, Cause: keybag.ErrWrongPassword}, 12},
		"pre-flight: no room":     {&restore.BlockedError{Finding: restore.Finding{Check: "free_space"}}, 1},
		"phone: no space on host": {answered(mobilebackup2.CodeNoSpaceOnHost), 1},
		"phone: damaged backup":   {answered(mobilebackup2.CodeCorruptBackup), 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := exitCode(t.Context(), c.err); got != c.want {
				t.Errorf("exitCode(%v) = %d, want %d", c.err, got, c.want)
			}
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got := exitCode(ended, io.ErrUnexpectedEOF); got != exitInterrupted {
		t.Errorf("after a signal: %d, want %d", got, exitInterrupted)
	}
	if got := exitCode(ended, nil); got != exitOK {
		t.Errorf("done in spite of a signal: %d, want 0", got)
	}
}

// Whatever ends with a code that a person can do something about says what.
func TestRemedy(t *testing.T) {
	for _, err := range []error{
		device.ErrNoDevice, device.ErrSeveral, device.ErrNotPaired, device.ErrLocked, keybag.ErrWrongPassword,
		&usbmux.DaemonError{Err: net.ErrClosed},
		&mobilebackup2.DeviceError{Code: mobilebackup2.CodeFindMy},
		&device.HintError{Err: io.EOF, Remedy: "plug it in again"},
	} {
		if got := remedy(err, exitCode(t.Context(), err)); got == "" {
			t.Errorf("%v: no remedy", err)
		}
	}
}

func TestWriteError(t *testing.T) {
	var b bytes.Buffer
	writeError(&b, "back up: the phone is locked", "unlock it")
	if want := "keepsake: back up: the phone is locked\nUnlock it.\n"; b.String() != want {
		t.Errorf("got %q, want %q", &b, want)
	}
	b.Reset()
	writeError(&b, "back up: no route", "")
	if want := "keepsake: back up: no route\n"; b.String() != want {
		t.Errorf("got %q, want %q", &b, want)
	}
}

func TestSentence(t *testing.T) {
	for in, want := range map[string]string{"": "", "x": "X.", "Say it.": "Say it.", "did you mean y?": "Did you mean y?", "ähnlich ": "Ähnlich.", "iPhone 12 waits": "iPhone 12 waits."} {
		if got := sentence(in); got != want {
			t.Errorf("sentence(%q) = %q, want %q", in, got, want)
		}
	}
}

// failing is a full disk or a closed pipe.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestOutputThatCannotBeWritten(t *testing.T) {
	var errs strings.Builder
	p := Program{Args: []string{"doctor", "--json"}, Stdout: failing{}, Stderr: &errs, Getenv: func(name string) string {
		if name == "USBMUXD_SOCKET_ADDRESS" {
			return "127.0.0.1:1"
		}
		return ""
	}}
	if code := p.Run(t.Context()); code != exitError {
		t.Errorf("exit code %d, want 1: what was to be written is lost", code)
	}
}
