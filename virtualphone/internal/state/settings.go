package state

import "slices"

// Setup tells how far the phone is from being somebody's (protocol.md 11.1).
type Setup string

const (
	SetupNew  Setup = "new"   // fresh from the box: not activated
	SetupBusy Setup = "setup" // activated, showing the set-up screens
	SetupDone Setup = "done"
)

// Lock is one of the states of protocol.md 14.1.
type Lock string

const (
	Unlocked          Lock = "unlocked"
	Locked            Lock = "locked"              // unlocked once since boot
	Restricted        Lock = "restricted"          // locked for an hour: no new USB link
	BeforeFirstUnlock Lock = "before-first-unlock" // not unlocked since boot
)

// Settings are what a person, a host or a test can change on the phone.
type Settings struct {
	Seed       uint64 `json:"seed"`
	Profile    string `json:"profile"`
	IOS        string `json:"ios"`   // ProductVersion
	Build      string `json:"build"` // BuildVersion
	DeviceName string `json:"device_name"`
	// DeviceClass is "iPhone" when empty.
	DeviceClass string `json:"device_class,omitempty"`

	Setup             Setup  `json:"setup"`
	SetupState        string `json:"setup_state,omitempty"` // such as RestoredFromiTunesBackup
	ActivationAcked   bool   `json:"activation_acknowledged,omitempty"`
	Lock              Lock   `json:"lock"`
	Passcode          string `json:"passcode"` // how the owner answers, as virtualphone.ParsePrompt reads it
	Trust             string `json:"trust"`
	Supervised        bool   `json:"supervised,omitempty"`
	FindMy            bool   `json:"find_my,omitempty"`
	WiFiConnections   bool   `json:"wifi_connections,omitempty"`
	PrivateAddress    bool   `json:"private_address,omitempty"` // "Private Wi-Fi Address" is on
	UntrustedHostBUID string `json:"untrusted_host_buid,omitempty"`
	TimeZone          string `json:"time_zone"`
	Uses24HourClock   bool   `json:"uses_24_hour_clock,omitempty"`
	Language          string `json:"language"`
	Locale            string `json:"locale"`

	RequiresEncryption  bool  `json:"requires_encryption,omitempty"` // by MDM
	EncryptionLocked    bool  `json:"encryption_locked,omitempty"`   // by MDM: cannot be switched off
	CloudRestoreRunning bool  `json:"cloud_restore_running,omitempty"`
	FreeSpace           int64 `json:"free_space,omitempty"` // bytes; 0 is no limit
	KDFRounds           int   `json:"kdf_rounds,omitempty"` // of the backup keybag; 0 is Apple's number

	// Paths on the media partition that AFC treats in a special way: patterns
	// of path.Match, or folders with all below.
	MediaProtected []string `json:"media_protected,omitempty"`  // unreadable while locked
	MediaHardLinks []string `json:"media_hard_links,omitempty"` // never opened
}

func (s Settings) clone() Settings {
	s.MediaProtected = slices.Clone(s.MediaProtected)
	s.MediaHardLinks = slices.Clone(s.MediaHardLinks)
	return s
}

// Class is what the phone says it is: "iPhone", "iPad", "iPod".
func (s Settings) Class() string {
	if s.DeviceClass == "" {
		return "iPhone"
	}
	return s.DeviceClass
}

// DefaultSettings are those of an English phone, set up and unlocked, without
// a passcode, whose owner trusts every host at once.
func DefaultSettings(seed uint64) Settings {
	return Settings{
		Seed: seed, IOS: "18.6", Build: "22G86", DeviceName: "iPhone",
		Setup: SetupDone, ActivationAcked: true, Lock: Unlocked, Passcode: "none", Trust: "auto",
		TimeZone: "Europe/Berlin", Uses24HourClock: true, Language: "en", Locale: "en_US",
	}
}
