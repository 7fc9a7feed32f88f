package afcd

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"

	"github.com/keepsake-backup/keepsake/afc"
)

// maxRead is the longest answer to one FileRead, in bytes.
const maxRead = 8 << 20

// maxFileSize bounds what a host can make a file claim.
const maxFileSize = 1 << 40

// handle is an open file. rel names it for locks.
type handle struct {
	f   *os.File
	rel string
}

// openModes are the flags for FileOpen (protocol.md 4.9).
var openModes = map[uint64]int{
	afc.ModeRead:            os.O_RDONLY,
	afc.ModeReadWriteCreate: os.O_RDWR | os.O_CREATE,
	afc.ModeWrite:           os.O_WRONLY | os.O_CREATE | os.O_TRUNC,
	afc.ModeWriteRead:       os.O_RDWR | os.O_CREATE | os.O_TRUNC,
	afc.ModeAppend:          os.O_WRONLY | os.O_CREATE | os.O_APPEND,
	afc.ModeAppendRead:      os.O_RDWR | os.O_CREATE | os.O_APPEND,
}

func (x *session) open(a arguments) (afc.Packet, error) {
	mode, err := a.number()
	if err != nil {
		return afc.Packet{}, err
	}
	rel, err := a.path()
	if err != nil {
		return afc.Packet{}, err
	}
	flags, known := openModes[mode]
	switch {
	case !known:
		return afc.Packet{}, afc.StatusInvalidArgument
	case len(x.handles) >= maxHandles:
		return afc.Packet{}, afc.StatusNoResources // "no file slots"
	}
	f, err := x.openFile(rel, flags)
	if err != nil {
		return afc.Packet{}, err
	}
	n := x.next
	x.next++
	x.handles[n] = &handle{f, rel}
	return afc.Packet{Op: afc.OpFileOpenResult, Head: number(n)}, nil
}

// openFile opens a regular file that the phone's state allows to be opened.
func (x *session) openFile(rel string, flags int) (*os.File, error) {
	policy := x.srv.Policy()
	switch {
	case policy.Locked && listed(rel, policy.Protected):
		return nil, afc.StatusPermissionDenied
	case listed(rel, policy.HardLinked):
		return nil, afc.StatusIO
	}
	p, err := x.layers.forNew(rel)
	if err != nil {
		return nil, err
	}
	// Follows a link at the end of the path, inside the layer only.
	info, err := p.root.Stat(rel)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, afc.StatusIsDir
	case !info.Mode().IsRegular():
		return nil, afc.StatusNotSupported
	}
	return p.root.OpenFile(rel, flags, 0o644)
}

func (x *session) handle(a *arguments) (uint64, *handle, error) {
	n, err := a.number()
	if err != nil {
		return 0, nil, err
	}
	h, found := x.handles[n]
	if !found {
		return 0, nil, afc.StatusInvalidArgument
	}
	return n, h, nil
}

func (x *session) read(a arguments) (afc.Packet, error) {
	_, h, err := x.handle(&a)
	if err != nil {
		return afc.Packet{}, err
	}
	want, err := a.number()
	if err != nil {
		return afc.Packet{}, err
	}
	b := make([]byte, min(want, maxRead))
	n, err := io.ReadFull(h.f, b)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return afc.Packet{}, err
	}
	return data(b[:n])
}

func (x *session) write(a arguments) (afc.Packet, error) {
	_, h, err := x.handle(&a)
	if err != nil {
		return afc.Packet{}, err
	}
	if x.srv.Blank {
		a.b = make([]byte, len(a.b))
	}
	if _, err := h.f.Write(a.b); err != nil {
		return afc.Packet{}, err
	}
	return ok()
}

// seek takes whence (0 start, 1 current, 2 end) and a signed offset.
func (x *session) seek(a arguments) (afc.Packet, error) {
	_, h, err := x.handle(&a)
	if err != nil {
		return afc.Packet{}, err
	}
	whence, err := a.number()
	if err != nil {
		return afc.Packet{}, err
	}
	offset, err := a.number()
	if err != nil {
		return afc.Packet{}, err
	}
	if whence > io.SeekEnd {
		return afc.Packet{}, afc.StatusInvalidArgument
	}
	if _, err := h.f.Seek(int64(offset), int(whence)); err != nil {
		return afc.Packet{}, afc.StatusInvalidArgument
	}
	return ok()
}

func (x *session) tell(a arguments) (afc.Packet, error) {
	_, h, err := x.handle(&a)
	if err != nil {
		return afc.Packet{}, err
	}
	n, err := h.f.Seek(0, io.SeekCurrent)
	if err != nil {
		return afc.Packet{}, err
	}
	return afc.Packet{Op: afc.OpFileTellResult, Head: number(uint64(n))}, nil
}

func (x *session) closeFile(a arguments) (afc.Packet, error) {
	n, h, err := x.handle(&a)
	if err != nil {
		return afc.Packet{}, err
	}
	delete(x.handles, n)
	x.srv.locks.release(h)
	if err := h.f.Close(); err != nil {
		return afc.Packet{}, err
	}
	return ok()
}

func (x *session) setSize(a arguments) (afc.Packet, error) {
	_, h, err := x.handle(&a)
	if err != nil {
		return afc.Packet{}, err
	}
	size, err := a.number()
	if err != nil {
		return afc.Packet{}, err
	}
	if err := resize(h.f, size); err != nil {
		return afc.Packet{}, err
	}
	return ok()
}

func resize(f *os.File, size uint64) error {
	if size > maxFileSize || size > math.MaxInt64 {
		return afc.StatusNoSpace
	}
	return f.Truncate(int64(size))
}

func (x *session) lock(a arguments) (afc.Packet, error) {
	_, h, err := x.handle(&a)
	if err != nil {
		return afc.Packet{}, err
	}
	op, err := a.number()
	if err != nil {
		return afc.Packet{}, err
	}
	if err := x.srv.locks.apply(h, op); err != nil {
		return afc.Packet{}, err
	}
	return ok()
}
