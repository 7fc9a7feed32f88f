package storetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// Memory is a Store in memory, for tests. The zero value is empty.
type Memory struct {
	Files map[string][]byte // by path
	Dirs  map[string]bool
	Space int64 // what FreeSpace answers; 0 means plenty

	// Fail is asked before every operation, by its name in lower case ("put",
	// "open", "readdir", "mkdir", "rename", "remove", "freespace"); what it
	// returns is the operation's error. It may be nil.
	Fail func(op, path string) error

	times map[string]time.Time
}

func (m *Memory) fail(op, path string) error {
	if m.Files == nil {
		m.Files, m.times = map[string][]byte{}, map[string]time.Time{}
	}
	if m.times == nil {
		m.times = map[string]time.Time{}
	}
	if m.Dirs == nil {
		m.Dirs = map[string]bool{}
	}
	if m.Fail == nil {
		return nil
	}
	return m.Fail(op, path)
}

func parent(p string) string {
	i := strings.LastIndexByte(p, '/')
	return p[:max(i, 0)]
}

func (m *Memory) mkdirAll(p string) error {
	for ; p != ""; p = parent(p) {
		if _, ok := m.Files[p]; ok {
			return syscall.ENOTDIR
		}
		m.Dirs[p] = true
	}
	return nil
}

// Open gives a file.
func (m *Memory) Open(_ context.Context, p string) (io.ReadCloser, int64, error) {
	if err := m.fail("open", p); err != nil {
		return nil, 0, err
	}
	b, ok := m.Files[p]
	switch {
	case !ok && m.Dirs[p]:
		return nil, 0, syscall.EISDIR
	case !ok:
		return nil, 0, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
}

// Put keeps a file.
func (m *Memory) Put(_ context.Context, p string, r io.Reader) error {
	if err := m.fail("put", p); err != nil {
		return err
	}
	if m.Dirs[p] {
		return syscall.EISDIR
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("put %s: %w", p, err)
	}
	if err := m.mkdirAll(parent(p)); err != nil {
		return err
	}
	m.Files[p], m.times[p] = b, time.Now()
	return nil
}

// ReadDir lists a folder.
func (m *Memory) ReadDir(_ context.Context, p string) ([]mobilebackup2.Entry, error) {
	if err := m.fail("readdir", p); err != nil {
		return nil, err
	}
	if !m.Dirs[p] {
		return nil, fs.ErrNotExist
	}
	var list []mobilebackup2.Entry
	for name, b := range m.Files {
		if parent(name) == p {
			list = append(list, mobilebackup2.Entry{Name: name[len(p)+1:], Size: int64(len(b)), ModTime: m.times[name]})
		}
	}
	for name := range m.Dirs {
		if parent(name) == p && name != "" {
			list = append(list, mobilebackup2.Entry{Name: name[len(p)+1:], Dir: true, ModTime: time.Now()})
		}
	}
	return list, nil
}

// Mkdir makes a folder.
func (m *Memory) Mkdir(_ context.Context, p string) error {
	if err := m.fail("mkdir", p); err != nil {
		return err
	}
	if m.Dirs[p] {
		return fs.ErrExist
	}
	return m.mkdirAll(p)
}

// Rename moves a file or folder.
func (m *Memory) Rename(_ context.Context, from, to string) error {
	if err := m.fail("rename", from); err != nil {
		return err
	}
	_, file := m.Files[from]
	if !file && !m.Dirs[from] {
		return fs.ErrNotExist
	}
	if from == to {
		return nil
	}
	if strings.HasPrefix(to, from+"/") || strings.HasPrefix(from, to+"/") {
		return fs.ErrInvalid
	}
	m.drop(to)
	if err := m.mkdirAll(parent(to)); err != nil {
		return err
	}
	for _, p := range slices.Collect(maps.Keys(m.Files)) {
		if p == from || strings.HasPrefix(p, from+"/") {
			n := to + p[len(from):]
			m.Files[n], m.times[n] = m.Files[p], m.times[p]
			delete(m.Files, p)
		}
	}
	for _, p := range slices.Collect(maps.Keys(m.Dirs)) {
		if p == from || strings.HasPrefix(p, from+"/") {
			m.Dirs[to+p[len(from):]] = true
			delete(m.Dirs, p)
		}
	}
	return nil
}

func (m *Memory) drop(p string) {
	for name := range m.Files {
		if name == p || strings.HasPrefix(name, p+"/") {
			delete(m.Files, name)
		}
	}
	for name := range m.Dirs {
		if name == p || strings.HasPrefix(name, p+"/") {
			delete(m.Dirs, name)
		}
	}
}

// Remove takes a file or folder away.
func (m *Memory) Remove(_ context.Context, p string) error {
	if err := m.fail("remove", p); err != nil {
		return err
	}
	m.drop(p)
	return nil
}

// FreeSpace answers Space.
func (m *Memory) FreeSpace(context.Context) (int64, error) {
	if err := m.fail("freespace", ""); err != nil {
		return 0, err
	}
	if m.Space == 0 {
		return 1 << 40, nil
	}
	return m.Space, nil
}
