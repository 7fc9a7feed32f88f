package lockdown

// Port is lockdownd's port on the phone (protocol.md 2.1).
const Port = 62078

// ServiceType is what lockdownd answers to QueryType.
const ServiceType = "com.apple.mobile.lockdown"

// Requests (protocol.md 2.3).
const (
	ReqQueryType    = "QueryType"
	ReqGetValue     = "GetValue"
	ReqSetValue     = "SetValue"
	ReqRemoveValue  = "RemoveValue"
	ReqPair         = "Pair"
	ReqValidatePair = "ValidatePair"
	ReqUnpair       = "Unpair"
	ReqStartSession = "StartSession"
	ReqStopSession  = "StopSession"
	ReqStartService = "StartService"
	ReqGoodbye      = "Goodbye"
)

// Request is any request to lockdownd; each uses some of the keys.
type Request struct {
	Label           string `plist:"Label,omitempty"`
	Request         string `plist:"Request"`
	ProtocolVersion string `plist:"ProtocolVersion,omitempty"`

	Domain string `plist:"Domain,omitempty"`
	Key    string `plist:"Key,omitempty"`
	Value  any    `plist:"Value,omitempty"`

	HostID         string          `plist:"HostID,omitempty"`
	SystemBUID     string          `plist:"SystemBUID,omitempty"`
	SessionID      string          `plist:"SessionID,omitempty"`
	HostName       string          `plist:"HostName,omitempty"`
	PairRecord     *PairRequest    `plist:"PairRecord,omitempty"`
	PairingOptions *PairingOptions `plist:"PairingOptions,omitempty"`

	Service   string `plist:"Service,omitempty"`
	EscrowBag []byte `plist:"EscrowBag,omitempty"`
}

// PairRequest is the public part of a pair record, as Pair, ValidatePair and
// Unpair send it. Certificates are PEM. Private keys have no field here: the
// phone needs none, though some clients send one (protocol.md 2.5).
type PairRequest struct {
	DeviceCertificate []byte `plist:"DeviceCertificate,omitempty"`
	HostCertificate   []byte `plist:"HostCertificate,omitempty"`
	RootCertificate   []byte `plist:"RootCertificate,omitempty"`
	HostID            string `plist:"HostID,omitempty"`
	SystemBUID        string `plist:"SystemBUID,omitempty"`
	WiFiMACAddress    string `plist:"WiFiMACAddress,omitempty"`
}

// PairingOptions of a Pair request.
type PairingOptions struct {
	ExtendedPairingErrors bool `plist:"ExtendedPairingErrors"`
}

// Response is any answer of lockdownd. Success has no Error. Request repeats
// the request's name.
type Response struct {
	Request string `plist:"Request,omitempty"`
	Result  string `plist:"Result,omitempty"` // "Success" or "Failure"; optional since iOS 5
	Error   Error  `plist:"Error,omitempty"`

	Type   string `plist:"Type,omitempty"`
	Domain string `plist:"Domain,omitempty"`
	Key    string `plist:"Key,omitempty"`
	Value  any    `plist:"Value,omitempty"`

	EscrowBag []byte `plist:"EscrowBag,omitempty"`

	SessionID        string `plist:"SessionID,omitempty"`
	EnableSessionSSL *bool  `plist:"EnableSessionSSL,omitempty"`

	Service          string `plist:"Service,omitempty"`
	Port             uint16 `plist:"Port,omitempty"`
	EnableServiceSSL *bool  `plist:"EnableServiceSSL,omitempty"`
}

// Error is a refusal by lockdownd, in its own words (protocol.md 2.8). It is
// comparable: errors.Is(err, lockdown.PasswordProtected).
type Error string

func (e Error) Error() string { return string(e) }

// What lockdownd answers when it refuses.
const (
	InvalidResponse                     Error = "InvalidResponse"
	MissingKey                          Error = "MissingKey"
	MissingValue                        Error = "MissingValue"
	GetProhibited                       Error = "GetProhibited"
	SetProhibited                       Error = "SetProhibited"
	RemoveProhibited                    Error = "RemoveProhibited"
	ImmutableValue                      Error = "ImmutableValue"
	PasswordProtected                   Error = "PasswordProtected"
	UserDeniedPairing                   Error = "UserDeniedPairing"
	PairingDialogResponsePending        Error = "PairingDialogResponsePending"
	MissingHostID                       Error = "MissingHostID"
	InvalidHostID                       Error = "InvalidHostID"
	InvalidConnection                   Error = "InvalidConnection"
	SessionActive                       Error = "SessionActive"
	SessionInactive                     Error = "SessionInactive"
	MissingSessionID                    Error = "MissingSessionID"
	InvalidSessionID                    Error = "InvalidSessionID"
	MissingService                      Error = "MissingService"
	InvalidService                      Error = "InvalidService"
	ServiceLimit                        Error = "ServiceLimit"
	MissingPairRecord                   Error = "MissingPairRecord"
	SavePairRecordFailed                Error = "SavePairRecordFailed"
	InvalidPairRecord                   Error = "InvalidPairRecord"
	InvalidActivationRecord             Error = "InvalidActivationRecord"
	MissingActivationRecord             Error = "MissingActivationRecord"
	ServiceProhibited                   Error = "ServiceProhibited"
	EscrowLocked                        Error = "EscrowLocked"
	PairingProhibitedOverThisConnection Error = "PairingProhibitedOverThisConnection"
	FMiPProtected                       Error = "FMiPProtected"
	MCProtected                         Error = "MCProtected"
	MCChallengeRequired                 Error = "MCChallengeRequired"
)

// Domains of lockdown values that backup hosts read (protocol.md 2.4, 11.1).
const (
	DomainBackup           = "com.apple.mobile.backup"
	DomainBattery          = "com.apple.mobile.battery"
	DomainChaperone        = "com.apple.mobile.chaperone"
	DomainDiskUsage        = "com.apple.disk_usage"
	DomainFindMy           = "com.apple.fmip"
	DomainITunes           = "com.apple.mobile.iTunes"
	DomainITunesSettings   = "com.apple.iTunes"
	DomainSetup            = "com.apple.purplebuddy"
	DomainSetupOldSpelling = "com.apple.PurpleBuddy"
	DomainWirelessLockdown = "com.apple.mobile.wireless_lockdown"
)
