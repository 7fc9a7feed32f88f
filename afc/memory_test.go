package afc

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
)

// memory is a phone's media partition in memory: a small server for tests.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte // by absolute path; nil is a directory
	open  map[uint64]*struct {
		name string
		off  int
	}
	handles  uint64
	mostOpen int
	locked   int // answers "would block" so many times
	sizes    []uint64
}

func newMemory(files map[string]string) *memory {
	m := &memory{files: map[string][]byte{"/": nil}}
	m.open = map[uint64]*struct {
		name string
		off  int
	}{}
	for name, data := range files {
		for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
			m.files[dir] = nil
		}
		m.files[name] = []byte(data)
	}
	return m
}

// client connects to m.
func (m *memory) client(t *testing.T) *Client {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close() })
	go func() {
		defer theirs.Close()
		for {
			p, err := ReadPacket(theirs)
			if err != nil {
				return
			}
			reply := m.answer(p)
			reply.Number = p.Number
			if WritePacket(theirs, reply) != nil {
				return
			}
		}
	}()
	return New(ours)
}

func status(s Status) Packet { return Packet{Op: OpStatus, Head: words(uint64(s))} }

func (m *memory) answer(p Packet) Packet {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := strings.TrimSuffix(string(p.Head), "\x00")
	switch p.Op {
	case OpReadDir:
		if data, ok := m.files[name]; !ok || data != nil {
			return status(StatusNotFound)
		}
		names := []string{".", ".."}
		for f := range m.files {
			if f != "/" && path.Dir(f) == name {
				names = append(names, path.Base(f))
			}
		}
		slices.Sort(names)
		slices.Reverse(names)
		return Packet{Op: OpData, Data: []byte(strings.Join(names, "\x00") + "\x00")}
	case OpGetFileInfo:
		data, ok := m.files[name]
		if !ok {
			return status(StatusNotFound)
		}
		kind := "S_IFREG"
		if data == nil {
			kind = "S_IFDIR"
		}
		return Packet{Op: OpData, Data: fmt.Appendf(nil, "st_size\x00%d\x00st_blocks\x008\x00st_nlink\x001\x00st_ifmt\x00%s\x00st_mtime\x001700000000000000000\x00", len(data), kind)}
	case OpGetDeviceInfo:
		return Packet{Op: OpData, Data: []byte("Model\x00iPhone15,2\x00FSFreeBytes\x0042\x00")}
	case OpMakeDir:
		m.files[name] = nil
		return status(StatusOK)
	case OpRemovePath:
		if _, ok := m.files[name]; !ok {
			return status(StatusNotFound)
		}
		delete(m.files, name)
		return status(StatusOK)
	case OpRenamePath:
		from, to, _ := strings.Cut(name, "\x00")
		m.files[to] = m.files[from]
		delete(m.files, from)
		return status(StatusOK)
	case OpFileOpen:
		return m.openFile(binary.LittleEndian.Uint64(p.Head), strings.TrimSuffix(string(p.Head[8:]), "\x00"))
	}
	return m.onHandle(p)
}

func (m *memory) openFile(mode uint64, name string) Packet {
	if _, ok := m.files[name]; !ok && mode == ModeRead {
		return status(StatusNotFound)
	} else if !ok || mode == ModeWrite {
		m.files[name] = []byte{}
	}
	m.handles++
	m.open[m.handles] = &struct {
		name string
		off  int
	}{name: name}
	m.mostOpen = max(m.mostOpen, len(m.open))
	return Packet{Op: OpFileOpenResult, Head: words(m.handles)}
}

func (m *memory) onHandle(p Packet) Packet {
	handle := binary.LittleEndian.Uint64(p.Head)
	f, ok := m.open[handle]
	if !ok {
		return status(StatusInvalidArgument)
	}
	switch p.Op {
	case OpFileRead:
		n := binary.LittleEndian.Uint64(p.Head[8:])
		m.sizes = append(m.sizes, n)
		data := m.files[f.name]
		data = data[min(f.off, len(data)):]
		data = data[:min(uint64(len(data)), n)]
		f.off += len(data)
		return Packet{Op: OpData, Data: bytes.Clone(data)}
	case OpFileWrite:
		m.sizes = append(m.sizes, uint64(len(p.Data)))
		data := m.files[f.name]
		data = append(data[:f.off:f.off], append(bytes.Clone(p.Data), data[min(len(data), f.off+len(p.Data)):]...)...)
		m.files[f.name] = data
		f.off += len(p.Data)
	case OpFileSeek:
		f.off = int(binary.LittleEndian.Uint64(p.Head[16:]))
	case OpFileLock:
		if m.locked > 0 && binary.LittleEndian.Uint64(p.Head[8:]) == LockExclusive {
			m.locked--
			return status(StatusWouldBlock)
		}
	case OpFileClose:
		delete(m.open, handle)
	}
	return status(StatusOK)
}

// script is a client whose requests are answered by fixed bytes, and the
// requests themselves.
func script(t *testing.T, answers ...[]byte) (*Client, *[]byte) {
	ours, theirs := net.Pipe()
	var sent []byte
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer theirs.Close()
		for _, a := range answers {
			b := make([]byte, 1<<16)
			n, err := theirs.Read(b)
			if err != nil {
				return
			}
			sent = append(sent, b[:n]...)
			if _, err := theirs.Write(a); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { ours.Close(); <-done })
	return New(ours), &sent
}

// opened opens name on m.
func opened(t *testing.T, m *memory, name string) *File {
	f, err := m.client(t).OpenFile(context.Background(), name, ModeReadWriteCreate)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
