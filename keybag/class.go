package keybag

import "fmt"

// Class is a data-protection class: which keys of the phone a file or keychain
// item is locked with (backup-format.md 3.1). Numbers not listed here are data,
// not an error.
type Class uint32

const (
	ClassComplete                   Class = 1 // files: only while the phone is unlocked
	ClassCompleteUnlessOpen         Class = 2 // files: stay open once opened
	ClassCompleteUntilFirstAuth     Class = 3 // files: from the first unlock on; the default
	ClassNone                       Class = 4 // files: always
	ClassRecovery                   Class = 5
	ClassKeychainWhenUnlocked       Class = 6
	ClassKeychainAfterFirstUnlock   Class = 7
	ClassKeychainAlways             Class = 8
	ClassKeychainWhenUnlockedDevice Class = 9  // ThisDeviceOnly
	ClassKeychainAfterFirstDevice   Class = 10 // ThisDeviceOnly
	ClassKeychainAlwaysDevice       Class = 11 // ThisDeviceOnly
)

// firstClass and lastClass are the classes a new bag holds keys for.
const (
	firstClass = ClassComplete
	lastClass  = ClassKeychainAlwaysDevice
)

var classNames = [...]string{
	ClassComplete:                   "Complete",
	ClassCompleteUnlessOpen:         "CompleteUnlessOpen",
	ClassCompleteUntilFirstAuth:     "CompleteUntilFirstUserAuthentication",
	ClassNone:                       "None",
	ClassRecovery:                   "Recovery",
	ClassKeychainWhenUnlocked:       "KeychainWhenUnlocked",
	ClassKeychainAfterFirstUnlock:   "KeychainAfterFirstUnlock",
	ClassKeychainAlways:             "KeychainAlways",
	ClassKeychainWhenUnlockedDevice: "KeychainWhenUnlockedThisDeviceOnly",
	ClassKeychainAfterFirstDevice:   "KeychainAfterFirstUnlockThisDeviceOnly",
	ClassKeychainAlwaysDevice:       "KeychainAlwaysThisDeviceOnly",
}

// String gives Apple's name of the class with its number: "None (4)".
func (c Class) String() string {
	if c >= firstClass && c <= lastClass {
		return fmt.Sprintf("%s (%d)", classNames[c], uint32(c))
	}
	return fmt.Sprintf("class %d", uint32(c))
}

// IsFile tells whether files are protected with the class (1 to 4).
func (c Class) IsFile() bool { return c >= ClassComplete && c <= ClassNone }
