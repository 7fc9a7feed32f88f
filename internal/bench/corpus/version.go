package corpus

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// One of so many bytes is other ones in the next version.
const changeShare = 12

// nextVersion makes of the folder from what it might be some days later: a
// twelfth of the bytes is in files that went, and were replaced by others of the
// same size; databases have lived another day. The rest are links.
func (m *maker) nextVersion(from, to string) error {
	var files []string
	var sizes []int64
	var total int64
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files, sizes = append(files, name), append(sizes, info.Size())
		total += info.Size()
		return nil
	})
	if err != nil {
		return err
	}
	gone := m.choose(files, sizes, total/changeShare)
	for i, name := range files {
		old := filepath.Join(from, name)
		switch {
		case filepath.Ext(name) == ".db":
			err = m.anotherDay(old, filepath.Join(to, name))
		case gone[i]:
			err = m.replace(to, name, sizes[i])
		default:
			err = os.Link(old, filepath.Join(to, name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// choose picks files, not databases, of about so many bytes.
func (m *maker) choose(files []string, sizes []int64, bytes int64) map[int]bool {
	chosen := map[int]bool{}
	for _, i := range m.random.Perm(len(files)) {
		if filepath.Ext(files[i]) == ".db" || sizes[i] > bytes {
			continue
		}
		chosen[i] = true
		bytes -= sizes[i]
	}
	return chosen
}

// replace makes a file of the kind of name beside where it was.
func (m *maker) replace(dir, name string, size int64) error {
	ext := filepath.Ext(name)
	path := filepath.Join(dir, strings.TrimSuffix(name, ext)+"n"+ext)
	for _, f := range []format{jpeg, heic, mov} {
		if f.ext == ext {
			return m.create(path, f.head, size, m.noise)
		}
	}
	if ext == ".dat" {
		return m.create(path, nil, size, m.noise)
	}
	m.words.plain = ext == ".txt"
	return m.create(path, nil, size, m.words)
}

func (m *maker) anotherDay(from, to string) error {
	if err := copyFile(from, to); err != nil {
		return err
	}
	day := newMaker(m.ctx, m.seed+100)
	return errors.Join(day.change(to), os.Chtimes(to, m.day(), m.day()))
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
