package devicelink

import (
	"encoding/binary"
	"io"
)

// Control messages by name (protocol.md 3, 4.3). The names are from the
// phone's side: on DLMessageDownloadFiles the host sends files, on
// DLMessageUploadFiles it receives them.
const (
	VersionExchange     = "DLMessageVersionExchange"
	DeviceReady         = "DLMessageDeviceReady"
	Ping                = "DLMessagePing"
	Disconnect          = "DLMessageDisconnect"
	ProcessMessage      = "DLMessageProcessMessage"
	StatusResponse      = "DLMessageStatusResponse"
	DownloadFiles       = "DLMessageDownloadFiles"
	UploadFiles         = "DLMessageUploadFiles"
	GetFreeDiskSpace    = "DLMessageGetFreeDiskSpace"
	PurgeDiskSpace      = "DLMessagePurgeDiskSpace"
	ContentsOfDirectory = "DLContentsOfDirectory"
	CreateDirectory     = "DLMessageCreateDirectory"
	MoveItems           = "DLMessageMoveItems"
	MoveFiles           = "DLMessageMoveFiles" // before level 200
	RemoveItems         = "DLMessageRemoveItems"
	RemoveFiles         = "DLMessageRemoveFiles" // before level 200
	CopyItem            = "DLMessageCopyItem"
)

// Version exchange (protocol.md 3.2): what phones since iOS 14 offer, and the
// word with which the host accepts.
const (
	VersionMajor = 400
	VersionMinor = 0
	VersionsOK   = "DLVersionsOk"
)

// EmptyParameter stands for a parameter that is not there (protocol.md 3.1).
const EmptyParameter = "___EmptyParameterString___"

// Status is the code of a DLMessageStatusResponse (protocol.md 4.5). On the
// wire negative values are 64-bit two's complement; read them as 32-bit signed.
type Status int32

const (
	StatusOK               Status = 0
	StatusError            Status = -1
	StatusNotImplemented   Status = -2
	StatusInvalidParameter Status = -3
	StatusNotFound         Status = -6
	StatusExists           Status = -7
	StatusNotDirectory     Status = -8
	StatusIsDirectory      Status = -9
	StatusLoop             Status = -10
	StatusIO               Status = -11
	StatusMulti            Status = -13
	StatusDisconnected     Status = -14
	StatusNoSpace          Status = -15
)

// File types in the answer to DLContentsOfDirectory (protocol.md 4.3).
const (
	TypeRegular   = "DLFileTypeRegular"
	TypeDirectory = "DLFileTypeDirectory"
	TypeUnknown   = "DLFileTypeUnknown"
)

// Keys of that answer, and of the errors in a multi-status payload.
const (
	KeyFileType         = "DLFileType"
	KeyFileSize         = "DLFileSize"
	KeyModificationDate = "DLFileModificationDate"
	KeyErrorString      = "DLFileErrorString"
	KeyErrorCode        = "DLFileErrorCode"
)

// Bulk frames (protocol.md 4.4): u32 big-endian length, then that many bytes.
// The first byte of a data or final frame is its code.
//
//	host → phone, per file:  path | 0x0C data … | 0x00, or 0x06 + text
//	phone → host, per file:  device path | host path | 0x0C data … | 0x00, or 0x0B + text
//	after the last file:     a frame of length 0
const (
	CodeSuccess     = 0x00
	CodeLocalError  = 0x06 // the host could not read the file
	CodeRemoteError = 0x0B // the phone could not read the file
	CodeData        = 0x0C

	// MaxPath is the longest path in a bulk frame, in bytes.
	MaxPath = 4096
	// HostChunk is how much data the host puts into one frame. The phone holds
	// a whole frame in memory and is killed for large ones.
	HostChunk = 32 << 10
	// DeviceChunk is how much the phone puts into one frame.
	DeviceChunk = 256 << 10
)

// WriteFrame writes one bulk frame: parts, joined, behind their length. Only
// the header is copied.
func WriteFrame(w io.Writer, parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(n))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// ReadFrameLength reads the length that opens a bulk frame.
func ReadFrameLength(r io.Reader) (uint32, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(head[:]), nil
}
