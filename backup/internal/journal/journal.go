package journal

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

const (
	magic     = "KEEPRUN1"
	maxHead   = 64 << 10
	maxFrame  = 64 << 20
	gcmExtra  = 12 + 16
	filePerm  = 0o600
	flushSize = 64 << 10

	// KeySize is the length of a journal's key in bytes.
	KeySize = 32
)

// ErrNoJournal: the file is none, or its beginning is damaged.
var ErrNoJournal = errors.New("no journal")

// Journal is an open journal. It may be used concurrently.
type Journal struct {
	udid string
	aead cipher.AEAD

	mu     sync.Mutex
	f      *os.File
	size   int64
	frames uint64
	plain  []byte // records that wait
	out    []byte
	failed error // of a write or sync: nothing may follow
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("the key has %d bytes, want %d", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Create makes a journal in f, which is empty, and makes it durable. head is kept
// as it is; it has at most 64 KiB.
func Create(f *os.File, head, key []byte, udid string) (*Journal, error) {
	aead, err := newAEAD(key)
	if err != nil || len(head) > maxHead {
		return nil, errors.Join(errors.New("create journal: unusable head or key"), err)
	}
	b := binary.LittleEndian.AppendUint32([]byte(magic), uint32(len(head)))
	b = append(b, head...)
	if _, err := f.WriteAt(b, 0); err != nil {
		return nil, fmt.Errorf("create journal: %w", err)
	}
	if err := f.Sync(); err != nil {
		return nil, fmt.Errorf("create journal: %w", err)
	}
	return &Journal{udid: udid, aead: aead, f: f, size: int64(len(b))}, nil
}

// ReadHead gives the head of the journal in f. Its error wraps ErrNoJournal
// unless f cannot be read.
func ReadHead(f *os.File) ([]byte, error) {
	r := io.NewSectionReader(f, 0, maxHead+12)
	var begin [12]byte
	if _, err := io.ReadFull(r, begin[:]); err != nil {
		return nil, readError(err)
	}
	n := binary.LittleEndian.Uint32(begin[8:])
	if string(begin[:8]) != magic || n > maxHead {
		return nil, fmt.Errorf("read journal: %w", ErrNoJournal)
	}
	head := make([]byte, n)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, readError(err)
	}
	return head, nil
}

func readError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = ErrNoJournal
	}
	return fmt.Errorf("read journal: %w", err)
}

// Open reads the journal in f from its beginning and calls apply for each record,
// in order; the record is apply's, and so is an error of it. From the first frame
// that is damaged the rest is cut off; cut tells how many bytes that were. The
// journal goes on behind what is left.
func Open(f *os.File, key []byte, udid string, apply func(Record) error) (j *Journal, cut int64, err error) {
	head, err := ReadHead(f)
	if err != nil {
		return nil, 0, err
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, 0, fmt.Errorf("open journal: %w", err)
	}
	j = &Journal{udid: udid, aead: aead, f: f, size: int64(len(head)) + 12}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("open journal: %w", err)
	}
	r := bufio.NewReaderSize(io.NewSectionReader(f, j.size, info.Size()-j.size), 256<<10)
	for {
		n, err := j.frame(r, apply)
		if err == errEnd {
			break
		}
		if err != nil {
			return nil, 0, fmt.Errorf("read journal: %w", err)
		}
		j.size += n
		j.frames++
	}
	if cut = info.Size() - j.size; cut > 0 {
		if err := f.Truncate(j.size); err != nil {
			return nil, 0, fmt.Errorf("cut journal: %w", err)
		}
	}
	return j, cut, nil
}

var errEnd = errors.New("no further frame")

// frame reads one frame and gives its length.
func (j *Journal) frame(r io.Reader, apply func(Record) error) (int64, error) {
	var begin [4]byte
	if _, err := io.ReadFull(r, begin[:]); err != nil {
		return 0, endOr(err)
	}
	n := binary.LittleEndian.Uint32(begin[:])
	if n <= gcmExtra || n > maxFrame {
		return 0, errEnd
	}
	if uint32(cap(j.out)) < n {
		j.out = make([]byte, n)
	}
	frame := j.out[:n]
	if _, err := io.ReadFull(r, frame); err != nil {
		return 0, endOr(err)
	}
	plain, err := j.aead.Open(j.plain[:0], nil, frame, j.number())
	if err != nil {
		return 0, errEnd
	}
	j.plain = plain[:0]
	list, err := decodeAll(plain, j.udid)
	if err != nil {
		return 0, errEnd
	}
	for _, rec := range list {
		if err := apply(rec); err != nil {
			return 0, err
		}
	}
	return int64(n) + 4, nil
}

func endOr(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errEnd
	}
	return err
}

// decodeAll reads the records of a frame.
func decodeAll(b []byte, udid string) (list []Record, err error) {
	for len(b) > 0 {
		var r Record
		if r, b, err = Decode(b, udid); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// number is the associated data of the next frame.
func (j *Journal) number() []byte {
	return binary.LittleEndian.AppendUint64(make([]byte, 0, 8), j.frames)
}

// Append adds records in one write. After an error nothing more can be appended
// by this process.
func (j *Journal) Append(records ...Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range records {
		j.plain = records[i].Append(j.plain, j.udid)
	}
	return j.flush()
}

// Later adds records that need not be there after a kill: they wait for the next
// Append, or until there are many.
func (j *Journal) Later(records ...Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range records {
		j.plain = records[i].Append(j.plain, j.udid)
	}
	if len(j.plain) < flushSize {
		return j.failed
	}
	return j.flush()
}

func (j *Journal) flush() error {
	if j.failed != nil {
		return j.failed
	}
	if len(j.plain) == 0 {
		return nil
	}
	if len(j.plain) > maxFrame-gcmExtra {
		j.failed = fmt.Errorf("append to journal: %d bytes at once", len(j.plain))
		return j.failed
	}
	j.out = append(j.out[:0], 0, 0, 0, 0)
	j.out = j.aead.Seal(j.out, nil, j.plain, j.number())
	binary.LittleEndian.PutUint32(j.out, uint32(len(j.out)-4))
	if _, err := j.f.WriteAt(j.out, j.size); err != nil {
		// The next process cuts off what is there of it.
		j.failed = fmt.Errorf("append to journal: %w", err)
		return j.failed
	}
	j.size += int64(len(j.out))
	j.frames++
	j.plain = j.plain[:0]
	return nil
}

// Sync makes everything appended durable.
func (j *Journal) Sync() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.flush(); err != nil {
		return err
	}
	if err := j.f.Sync(); err != nil {
		j.failed = fmt.Errorf("make journal durable: %w", err)
	}
	return j.failed
}

// Close writes what waits and closes the file.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.flush()
	if j.failed == nil {
		j.failed = errors.New("append to journal: it is closed")
	} else {
		err = nil // told before
	}
	return errors.Join(err, j.f.Close())
}
