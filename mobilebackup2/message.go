package mobilebackup2

import (
	"fmt"
	"log/slog"
)

// Service is the name under which lockdownd starts the backup service.
const Service = "com.apple.mobilebackup2"

// Messages inside DLMessageProcessMessage (protocol.md 4.1, 4.2).
const (
	MsgHello          = "Hello"
	MsgResponse       = "Response"
	MsgBackup         = "Backup"
	MsgRestore        = "Restore"
	MsgChangePassword = "ChangePassword"
	MsgInfo           = "Info"
	MsgList           = "List"
	MsgUnback         = "Unback"
	MsgExtract        = "Extract"
	MsgEraseDevice    = "EraseDevice"
	MsgCancelBackup   = "CancelBackup"
)

// Protocol versions offered in Hello; phones choose 2.1.
const (
	Version20 = 2.0
	Version21 = 2.1
)

// Hello opens the protocol on the host's side.
type Hello struct {
	MessageName               string    `plist:"MessageName"`
	SupportedProtocolVersions []float64 `plist:"SupportedProtocolVersions"`
}

// HelloResponse is the phone's answer to Hello.
type HelloResponse struct {
	MessageName     string  `plist:"MessageName"`
	ErrorCode       *int64  `plist:"ErrorCode"` // must be present
	ProtocolVersion float64 `plist:"ProtocolVersion,omitempty"`
}

// Request is every request of the host. Restore options that are absent mean
// the phone's defaults, which are not all false: see RestoreOptions.
type Request struct {
	MessageName      string `plist:"MessageName"`
	TargetIdentifier string `plist:"TargetIdentifier,omitempty"` // UDID of the phone
	SourceIdentifier string `plist:"SourceIdentifier,omitempty"` // UDID whose backup folder is used
	Options          any    `plist:"Options,omitempty"`          // RestoreOptions, or BackupOptions

	OldPassword WirePassword `plist:"OldPassword,omitempty"` // ChangePassword
	NewPassword WirePassword `plist:"NewPassword,omitempty"`
}

// WirePassword is a backup password on its way to the phone: it is a string to
// the property list and "[redacted]" to fmt, log/slog and encoding/json.
type WirePassword string

const redacted = "[redacted]"

func (WirePassword) Format(s fmt.State, _ rune)   { fmt.Fprint(s, redacted) }
func (WirePassword) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (WirePassword) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// RestoreOptions of protocol.md 4.2. A nil pointer leaves the phone's default,
// which stands behind each field.
type RestoreOptions struct {
	SystemFiles            *bool        `plist:"RestoreSystemFiles,omitempty"`      // true
	ShouldReboot           *bool        `plist:"RestoreShouldReboot,omitempty"`     // true
	DontCopyBackup         *bool        `plist:"RestoreDontCopyBackup,omitempty"`   // false: the phone copies the backup first
	PreserveSettings       *bool        `plist:"RestorePreserveSettings,omitempty"` // false
	RemoveItemsNotRestored *bool        `plist:"RemoveItemsNotRestored,omitempty"`  // true!
	Password               WirePassword `plist:"Password,omitempty"`                // of an encrypted backup
}

// Code is an error of the phone's MBErrorDomain (protocol.md 4.6).
type Code int64

const (
	CodeOK               Code = 0
	CodeGeneric          Code = 1
	CodeMultiple         Code = 2
	CodeExists           Code = 3
	CodeNotFound         Code = 4
	CodeFileModified     Code = 9
	CodeMalformed        Code = 11
	CodePolicy           Code = 22
	CodeCloudRestore     Code = 25
	CodeHostIO           Code = 100
	CodeDeviceRead       Code = 101
	CodeDeviceWrite      Code = 102
	CodeReadingFromHost  Code = 103
	CodeWritingToHost    Code = 104
	CodeNoSpaceOnHost    Code = 105
	CodeNoSpaceOnDevice  Code = 106
	CodeCancelled        Code = 202
	CodeVersion          Code = 203
	CodeEmptyBackup      Code = 204
	CodeCorruptBackup    Code = 205
	CodePassword         Code = 207
	CodeLocked           Code = 208
	CodeFindMy           Code = 211
	CodeSetupNotFinished Code = 212
)

// Response is the phone's last word on a request.
type Response struct {
	MessageName      string `plist:"MessageName"`
	ErrorCode        *Code  `plist:"ErrorCode"` // must be present
	ErrorDescription string `plist:"ErrorDescription,omitempty"`
	Content          string `plist:"Content,omitempty"`
}

// DeviceError is a refusal or failure that the phone reported: not the wire,
// not this program.
type DeviceError struct {
	Request string // what was asked, such as "Backup"
	Code    Code
	Text    string // the phone's own words, with "(MBErrorDomain/n)"
}

func (e *DeviceError) Error() string {
	return fmt.Sprintf("%s: the phone answered %d: %s", e.Request, e.Code, e.Text)
}

// Is compares the code alone, so that errors.Is(err, &DeviceError{Code: CodeLocked}) works.
func (e *DeviceError) Is(target error) bool {
	t, ok := target.(*DeviceError)
	return ok && t.Code == e.Code && (t.Request == "" || t.Request == e.Request)
}
