package usbmux

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// Frame constants (protocol.md 1.1).
const (
	headerLen = 16
	// MaxFrame is the longest frame the reference daemon takes, in bytes with
	// its header.
	MaxFrame = 0x10000
	// maxReply bounds a frame from the daemon: a device list of some hundred
	// phones is far below.
	maxReply = 16 << 20

	versionPlist = 1
	typePlist    = 8
)

// Requests and events by their MessageType (protocol.md 1.2, 1.3).
const (
	MsgListDevices      = "ListDevices"
	MsgListen           = "Listen"
	MsgListListeners    = "ListListeners"
	MsgConnect          = "Connect"
	MsgReadBUID         = "ReadBUID"
	MsgReadPairRecord   = "ReadPairRecord"
	MsgSavePairRecord   = "SavePairRecord"
	MsgDeletePairRecord = "DeletePairRecord"
	MsgResult           = "Result"
	MsgAttached         = "Attached"
	MsgDetached         = "Detached"
	MsgPaired           = "Paired"
)

// ResultCode is the Number of a Result. Positive errno values occur too, such
// as 2 for an absent pair record (protocol.md 1.2).
type ResultCode int

const (
	ResultOK                ResultCode = 0
	ResultBadCommand        ResultCode = 1
	ResultBadDevice         ResultCode = 2 // also ENOENT: no such pair record
	ResultConnectionRefused ResultCode = 3
	ResultBadVersion        ResultCode = 6
	ResultInvalidArgument   ResultCode = 22
)

// Connection types of a device.
const (
	ConnectionUSB     = "USB"
	ConnectionNetwork = "Network"
)

// Message is every request, reply and event of the plist protocol: a
// dictionary of which each message uses some keys.
type Message struct {
	MessageType         string `plist:"MessageType,omitempty"`
	ClientVersionString string `plist:"ClientVersionString,omitempty"`
	ProgName            string `plist:"ProgName,omitempty"`
	BundleID            string `plist:"BundleID,omitempty"`
	LibUSBMuxVersion    uint64 `plist:"kLibUSBMuxVersion,omitempty"`

	DeviceID       uint32 `plist:"DeviceID,omitempty"`
	PortNumber     uint16 `plist:"PortNumber,omitempty"` // network byte order: see SwapPort
	PairRecordID   string `plist:"PairRecordID,omitempty"`
	PairRecordData []byte `plist:"PairRecordData,omitempty"`

	Number       *ResultCode `plist:"Number,omitempty"` // of a Result; 0 is a value
	BUID         string      `plist:"BUID,omitempty"`
	DeviceList   []Message   `plist:"DeviceList,omitempty"` // of Attached events; an empty list must be sent by DeviceListReply
	ListenerList []any       `plist:"ListenerList,omitempty"`
	Properties   *Properties `plist:"Properties,omitempty"`
}

// DeviceListReply answers ListDevices; unlike Message it keeps an empty list.
type DeviceListReply struct {
	DeviceList []Message `plist:"DeviceList"`
}

// Properties describe an attached device (protocol.md 1.3).
type Properties struct {
	ConnectionType  string `plist:"ConnectionType"`
	DeviceID        uint32 `plist:"DeviceID"`
	SerialNumber    string `plist:"SerialNumber"` // the UDID, perhaps without its dash
	ConnectionSpeed uint64 `plist:"ConnectionSpeed,omitempty"`
	LocationID      uint32 `plist:"LocationID,omitempty"`
	ProductID       uint64 `plist:"ProductID,omitempty"`

	NetworkAddress         []byte `plist:"NetworkAddress,omitempty"` // a sockaddr in the host's own layout
	EscapedFullServiceName string `plist:"EscapedFullServiceName,omitempty"`
	InterfaceIndex         uint64 `plist:"InterfaceIndex,omitempty"`
}

// SwapPort turns a port number into PortNumber and back: network byte order
// stored in an integer, so 62078 travels as 32498.
func SwapPort(port uint16) uint16 { return port<<8 | port>>8 }

// WriteMessage frames v, a Message or another dictionary, as XML. Replies carry
// the tag of their request, events 0.
func WriteMessage(w io.Writer, tag uint32, v any) error {
	body, err := plist.Marshal(v, plist.XML)
	if err != nil {
		return err
	}
	frame := make([]byte, headerLen, headerLen+len(body))
	binary.LittleEndian.PutUint32(frame[0:], uint32(headerLen+len(body)))
	binary.LittleEndian.PutUint32(frame[4:], versionPlist)
	binary.LittleEndian.PutUint32(frame[8:], typePlist)
	binary.LittleEndian.PutUint32(frame[12:], tag)
	_, err = w.Write(append(frame, body...))
	return err
}

// BadVersionError is a frame that is not of the plist protocol; the daemon
// answers it with ResultBadVersion.
type BadVersionError struct {
	Version, Type, Tag uint32
}

func (e *BadVersionError) Error() string {
	return fmt.Sprintf("usbmux frame of version %d, type %d; want %d, %d", e.Version, e.Type, versionPlist, typePlist)
}

// ReadMessage reads one frame of at most limit bytes into v. The error is io.EOF when
// r ended between two frames, a *BadVersionError (the frame is consumed) for
// the binary protocol, and wraps plist.ErrMalformed for other nonsense.
func ReadMessage(r io.Reader, limit int, v any) (tag uint32, err error) {
	var head [headerLen]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, err
	}
	length := binary.LittleEndian.Uint32(head[0:])
	tag = binary.LittleEndian.Uint32(head[12:])
	if length < headerLen || int64(length) > int64(limit) {
		return tag, fmt.Errorf("%w: usbmux frame of %d bytes, at most %d are accepted", plist.ErrMalformed, length, limit)
	}
	body := make([]byte, length-headerLen)
	if _, err := io.ReadFull(r, body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return tag, err
	}
	version, typ := binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint32(head[8:])
	if version != versionPlist || typ != typePlist {
		return tag, &BadVersionError{version, typ, tag}
	}
	return tag, plist.Unmarshal(body, v)
}
