package format

import "fmt"

// BlobType says what a blob holds.
type BlobType uint8

const (
	DataBlob BlobType = iota // a piece of a file
	TreeBlob                 // a folder
)

// BlobTypes are both types.
var BlobTypes = []BlobType{DataBlob, TreeBlob}

// String is the name in indexes: "data" or "tree".
func (t BlobType) String() string {
	switch t {
	case DataBlob:
		return "data"
	case TreeBlob:
		return "tree"
	}
	return fmt.Sprintf("blob type %d", uint8(t))
}

// BlobHandle names a blob. Blobs of both types may share an ID.
type BlobHandle struct {
	ID   ID
	Type BlobType
}

func (h BlobHandle) String() string { return h.Type.String() + " blob " + h.ID.String() }

// Blob is one blob and its place in a pack. All numbers are bytes.
type Blob struct {
	BlobHandle
	Offset             uint32 // of the sealed blob, from the start of the pack
	Length             uint32 // of the sealed blob
	UncompressedLength uint32 // of the plaintext if it is compressed; 0 if it is not
}

// SealOverhead is what sealing adds: 16 bytes nonce before, 16 bytes tag behind.
const SealOverhead = 32

// Compressed tells whether the blob lies in the pack as a zstd frame.
func (b Blob) Compressed() bool { return b.UncompressedLength != 0 }

// PlaintextLength is the size of what the blob holds.
func (b Blob) PlaintextLength() uint32 {
	if b.Compressed() {
		return b.UncompressedLength
	}
	return b.Length - SealOverhead
}
