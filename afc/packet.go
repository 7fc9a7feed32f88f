package afc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Service is the name under which lockdownd starts AFC on the media partition.
const Service = "com.apple.afc"

// Magic opens every packet.
const Magic = "CFA6LPAA"

const (
	// HeaderLen is the length of a packet header in bytes.
	HeaderLen = 40
	// MaxPacket bounds a packet from the other side, header included. Clients
	// read in pieces of at most 4 MiB; a directory of 100,000 names is 5 MB.
	MaxPacket = 32 << 20
)

// Op is an operation or the kind of a reply (protocol.md 4.9).
type Op uint64

const (
	OpStatus            Op = 0x01
	OpData              Op = 0x02
	OpReadDir           Op = 0x03
	OpTruncate          Op = 0x07
	OpRemovePath        Op = 0x08
	OpMakeDir           Op = 0x09
	OpGetFileInfo       Op = 0x0A
	OpGetDeviceInfo     Op = 0x0B
	OpFileOpen          Op = 0x0D
	OpFileOpenResult    Op = 0x0E
	OpFileRead          Op = 0x0F
	OpFileWrite         Op = 0x10
	OpFileSeek          Op = 0x11
	OpFileTell          Op = 0x12
	OpFileTellResult    Op = 0x13
	OpFileClose         Op = 0x14
	OpFileSetSize       Op = 0x15
	OpGetConnectionInfo Op = 0x16
	OpRenamePath        Op = 0x18
	OpFileLock          Op = 0x1B
	OpMakeLink          Op = 0x1C
	OpSetModTime        Op = 0x1E
	OpRemoveAll         Op = 0x22 // RemovePathAndContents
)

// Status is AFC's result code. The phone's refusals are errors of this type.
type Status uint64

const (
	StatusOK               Status = 0
	StatusUnknown          Status = 1
	StatusHeaderInvalid    Status = 2
	StatusNoResources      Status = 3
	StatusReadError        Status = 4
	StatusWriteError       Status = 5
	StatusUnknownPacket    Status = 6
	StatusInvalidArgument  Status = 7
	StatusNotFound         Status = 8
	StatusIsDir            Status = 9
	StatusPermissionDenied Status = 10
	StatusNotSupported     Status = 15
	StatusExists           Status = 16
	StatusBusy             Status = 17
	StatusNoSpace          Status = 18
	StatusWouldBlock       Status = 19
	StatusIO               Status = 20
	StatusInternal         Status = 23
	StatusDirNotEmpty      Status = 33
)

// Modes of FileOpen.
const (
	ModeRead            = 1 // r
	ModeReadWriteCreate = 2 // r+, created when absent
	ModeWrite           = 3 // w
	ModeWriteRead       = 4 // w+
	ModeAppend          = 5 // a
	ModeAppendRead      = 6 // a+
)

// Operations of FileLock.
const (
	LockShared    = 5
	LockExclusive = 6
	LockUnlock    = 12
)

// Packet is one packet: an operation with its fixed parameters (Head) and what
// follows them (Data), such as bytes to write.
//
//	0  "CFA6LPAA"
//	8  u64 LE entire length, header included
//	16 u64 LE length of header and Head
//	24 u64 LE packet number, echoed in the reply
//	32 u64 LE operation
//	40 Head, Data
type Packet struct {
	Number uint64
	Op     Op
	Head   []byte
	Data   []byte
}

// ErrMalformed is wrapped by errors about bytes that are no AFC packet.
var ErrMalformed = errors.New("malformed AFC packet")

// WritePacket writes p.
func WritePacket(w io.Writer, p Packet) error {
	b := make([]byte, HeaderLen, HeaderLen+len(p.Head)+len(p.Data))
	copy(b, Magic)
	binary.LittleEndian.PutUint64(b[8:], uint64(HeaderLen+len(p.Head)+len(p.Data)))
	binary.LittleEndian.PutUint64(b[16:], uint64(HeaderLen+len(p.Head)))
	binary.LittleEndian.PutUint64(b[24:], p.Number)
	binary.LittleEndian.PutUint64(b[32:], uint64(p.Op))
	b = append(b, p.Head...)
	_, err := w.Write(append(b, p.Data...))
	return err
}

// ReadPacket reads one packet. The error is io.EOF when r ended between two
// packets and wraps ErrMalformed for bytes that are no packet.
func ReadPacket(r io.Reader) (Packet, error) {
	var h [HeaderLen]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return Packet{}, err
	}
	entire, this := binary.LittleEndian.Uint64(h[8:]), binary.LittleEndian.Uint64(h[16:])
	switch {
	case string(h[:8]) != Magic:
		return Packet{}, fmt.Errorf("%w: starts with %q", ErrMalformed, h[:8])
	case this < HeaderLen || entire < this || entire > MaxPacket:
		return Packet{}, fmt.Errorf("%w: lengths %d and %d", ErrMalformed, entire, this)
	}
	body := make([]byte, entire-HeaderLen)
	if _, err := io.ReadFull(r, body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Packet{}, err
	}
	return Packet{
		Number: binary.LittleEndian.Uint64(h[24:]),
		Op:     Op(binary.LittleEndian.Uint64(h[32:])),
		Head:   body[:this-HeaderLen],
		Data:   body[this-HeaderLen:],
	}, nil
}
