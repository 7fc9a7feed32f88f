package format

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// PackBlobs are the blobs of one pack, in any order: restic does not sort them.
type PackBlobs struct {
	Pack  ID
	Blobs []Blob
}

// AppendIndex appends the JSON of an index to dst (restic-format.md 6). All blobs
// of a pack belong into one index. The length of the plaintext is left out for
// blobs that are not compressed: rustic refuses a 0 there.
func AppendIndex(dst []byte, packs []PackBlobs) []byte {
	dst = append(dst, `{"packs":[`...)
	for i := range packs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, packBeginning...)
		dst = hex.AppendEncode(dst, packs[i].Pack[:])
		dst = append(dst, packMiddle...)
		for j := range packs[i].Blobs {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = appendIndexBlob(dst, &packs[i].Blobs[j])
		}
		dst = append(dst, "]}"...)
	}
	return append(dst, "]}"...)
}

// What stands between the values of an index, as everybody writes it.
const (
	packBeginning = `{"id":"`
	packMiddle    = `","blobs":[`
	blobBeginning = `{"id":"`
	dataMiddle    = `","type":"data","offset":`
	treeMiddle    = `","type":"tree","offset":`
	beforeLength  = `,"length":`
	beforePlain   = `,"uncompressed_length":`
)

func appendIndexBlob(dst []byte, b *Blob) []byte {
	mustKnow(b.Type)
	dst = append(dst, blobBeginning...)
	dst = hex.AppendEncode(dst, b.ID[:])
	if b.Type == DataBlob {
		dst = append(dst, dataMiddle...)
	} else {
		dst = append(dst, treeMiddle...)
	}
	dst = strconv.AppendUint(dst, uint64(b.Offset), 10)
	dst = append(dst, beforeLength...)
	dst = strconv.AppendUint(dst, uint64(b.Length), 10)
	if b.Compressed() {
		dst = append(dst, beforePlain...)
		dst = strconv.AppendUint(dst, uint64(b.UncompressedLength), 10)
	}
	return append(dst, '}')
}

// ScanIndex reads the JSON of an index and calls fn for each pack, in the
// caller's goroutine. The blobs are valid until fn returns. An error of fn ends
// the scan and is returned as it is. When ScanIndex fails, fn may have had packs
// already: they are not to be trusted.
//
// Keys that it does not know are skipped (restic's supersedes; rustic's time,
// size and packs_to_delete), the others may come in any order. A pack needs an ID
// and blobs; a blob an ID, type, offset and length, of at least SealOverhead and
// ending below 4 GiB. Types may be mixed within a pack: version 1 allowed it. It
// allocates nothing in proportion to the number of packs.
func ScanIndex(json []byte, fn func(pack ID, blobs []Blob) error) error {
	x := indexScanner{scanner: scanner{data: json}, fn: fn}
	x.index()
	if x.stopped != nil {
		return x.stopped
	}
	if err := x.end(); err != nil {
		return fmt.Errorf("scan index: %w", err)
	}
	return nil
}

type indexScanner struct {
	scanner
	fn      func(ID, []Blob) error
	blobs   []Blob
	stopped error // what fn returned
}

var errStopped = errors.New("stopped")

func (x *indexScanner) index() {
	const packs = 0
	var seen fields
	for more := x.begin('{', '}'); more; more = x.more('}') {
		if string(x.key()) != "packs" {
			x.skip()
			continue
		}
		seen.see(&x.scanner, packs)
		if x.null() { // what Go writes for a list without elements
			continue
		}
		for more := x.begin('[', ']'); more; more = x.more(']') {
			x.pack()
		}
	}
	if !seen.has(packs) {
		x.fail("no packs")
	}
}

func (x *indexScanner) pack() {
	const (
		packID = iota
		packBlobs
		packAll = 1<<iota - 1
	)
	var id ID
	var seen fields
	x.blobs = x.blobs[:0]
	for more := x.begin('{', '}'); more; more = x.more('}') {
		switch string(x.key()) {
		case "id":
			seen.see(&x.scanner, packID)
			x.id(&id)
		case "blobs":
			seen.see(&x.scanner, packBlobs)
			for more := x.begin('[', ']'); more; more = x.more(']') {
				x.blobs = append(x.blobs, Blob{})
				b := &x.blobs[len(x.blobs)-1]
				if !x.plainBlob(b) {
					x.blob(b)
				}
			}
		default:
			x.skip()
		}
	}
	if x.err == nil && seen != packAll {
		x.fail("pack without ID or blobs")
	}
	if x.err != nil {
		return
	}
	if err := x.fn(id, x.blobs); err != nil {
		x.stopped, x.err = err, errStopped
	}
}

// plainBlob reads a blob that is written exactly as AppendIndex, restic and
// rustic write it, and takes nothing if it is not.
func (x *indexScanner) plainBlob(b *Blob) bool {
	const (
		idAt     = len(blobBeginning)
		middleAt = idAt + 2*len(ID{})
		offsetAt = middleAt + len(dataMiddle)
	)
	data := x.data[x.pos:]
	if x.err != nil || len(data) < offsetAt || string(data[:idAt]) != blobBeginning || !decodeID(&b.ID, data[idAt:]) {
		return false
	}
	switch string(data[middleAt:offsetAt]) {
	case dataMiddle:
		b.Type = DataBlob
	case treeMiddle:
		b.Type = TreeBlob
	default:
		return false
	}
	data = data[offsetAt:]
	offset, n, ok := scanUint(data)
	data = data[n:]
	if !ok || len(data) < len(beforeLength) || string(data[:len(beforeLength)]) != beforeLength {
		return false
	}
	data = data[len(beforeLength):]
	length, n, ok := scanUint(data)
	data = data[n:]
	if !ok {
		return false
	}
	var plain uint64
	if len(data) > len(beforePlain) && string(data[:len(beforePlain)]) == beforePlain {
		data = data[len(beforePlain):]
		if plain, n, ok = scanUint(data); !ok {
			return false
		}
		data = data[n:]
	}
	if len(data) == 0 || data[0] != '}' || !fits(offset, length, plain) {
		return false
	}
	b.Offset, b.Length, b.UncompressedLength = uint32(offset), uint32(length), uint32(plain)
	x.pos = len(x.data) - len(data) + 1
	return true
}

// fits tells whether a sealed blob can be at that place.
func fits(offset, length, plain uint64) bool {
	return length >= SealOverhead && length <= math.MaxUint32 && offset <= math.MaxUint32-length && plain <= math.MaxUint32
}

// blob reads a blob that is written in any other way.
func (x *indexScanner) blob(b *Blob) {
	const (
		blobID = iota
		blobType
		blobOffset
		blobLength
		blobAll   = 1<<iota - 1
		blobPlain = iota - 1
	)
	*b = Blob{}
	var seen fields
	for more := x.begin('{', '}'); more; more = x.more('}') {
		switch string(x.key()) {
		case "id":
			seen.see(&x.scanner, blobID)
			x.id(&b.ID)
		case "type":
			seen.see(&x.scanner, blobType)
			b.Type = x.blobType()
		case "offset":
			seen.see(&x.scanner, blobOffset)
			b.Offset = x.uint32()
		case "length":
			seen.see(&x.scanner, blobLength)
			b.Length = x.uint32()
		case "uncompressed_length":
			seen.see(&x.scanner, blobPlain)
			b.UncompressedLength = x.uint32()
		default:
			x.skip()
		}
	}
	if x.err == nil && seen&blobAll != blobAll {
		x.fail("blob without ID, type, offset or length")
	}
	if x.err == nil && !fits(uint64(b.Offset), uint64(b.Length), uint64(b.UncompressedLength)) {
		x.fail("blob of %d bytes at %d: want %d or more, below 4 GiB", b.Length, b.Offset, SealOverhead)
	}
}

func (x *indexScanner) blobType() BlobType {
	switch t := x.string(); string(t) {
	case "data":
		return DataBlob
	case "tree":
		return TreeBlob
	default:
		x.fail("unknown blob type %s", quote(t))
		return 0
	}
}
