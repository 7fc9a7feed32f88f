package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// manifestPiece is how Manifest.db is cut: each day changes rows all over it.
const manifestPiece = 16 << 10

// finish adds _ios to the domains and gives the topmost tree.
func (b *builder) finish(domains []format.Node, records []byte) (format.ID, error) {
	ios, err := b.ios(records)
	if err != nil {
		return format.ID{}, err
	}
	at, _ := slices.BinarySearchFunc(domains, iosDir, func(n format.Node, name string) int { return strings.Compare(n.Name, name) })
	phone, err := b.saveTree(slices.Insert(domains, at, b.dir(iosDir, ios, 0o700)))
	if err != nil {
		return format.ID{}, err
	}
	root, err := b.saveTree([]format.Node{b.dir(b.meta.UDID, phone, 0o700)})
	if err != nil {
		return format.ID{}, err
	}
	return *root, nil
}

func (b *builder) dir(name string, tree *format.ID, mode fs.FileMode) format.Node {
	at := b.in.Time.UTC()
	return format.Node{Name: name, Type: format.NodeDir, Mode: fs.ModeDir | mode, ModTime: at, AccessTime: at, ChangeTime: at, Subtree: tree}
}

// ios stores what is not the phone's tree.
func (b *builder) ios(records []byte) (*format.ID, error) {
	var nodes []format.Node
	for _, f := range []struct {
		name string
		data []byte
	}{{itunesbackup.InfoName, b.in.InfoPlist}, {itunesbackup.ManifestListName, b.in.ManifestPlist}, {itunesbackup.StatusName, b.in.StatusPlist}, {oldIndexName, b.in.OldIndex}} {
		if f.data == nil {
			continue
		}
		n, err := b.small(f.name, f.data)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	manifest, err := b.manifests()
	if err != nil {
		return nil, err
	}
	index, err := b.index(records)
	if err != nil {
		return nil, err
	}
	nodes = append(append(nodes, manifest...), index)
	if len(b.meta.Exceptions) > 0 {
		tree, err := b.exceptionTree()
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, b.dir(exceptionsDir, tree, 0o700))
	}
	if b.in.Sealed {
		tree, err := b.sealedTree()
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, b.dir(sealedDir, tree, 0o700))
	}
	data, err := b.meta.encode()
	if err != nil {
		return nil, err
	}
	meta, err := b.small(metaName, data)
	if err != nil {
		return nil, err
	}
	nodes = append(nodes, meta)
	slices.SortFunc(nodes, func(a, b format.Node) int { return strings.Compare(a.Name, b.Name) })
	return b.saveTree(nodes)
}

// iosFile makes the node of a file in _ios.
func (b *builder) iosFile(name string, size int64, blobs []format.ID) format.Node {
	at := b.in.Time.UTC()
	return format.Node{Name: name, Type: format.NodeFile, Mode: 0o600, ModTime: at, AccessTime: at, ChangeTime: at, Size: uint64(size), Content: blobs}
}

func (b *builder) small(name string, data []byte) (format.Node, error) {
	c, err := b.w.SaveFile(b.ctx, bytes.NewReader(data), name, int64(len(data)))
	if err != nil {
		return format.Node{}, err
	}
	ids, err := c.IDs(b.ctx)
	return b.iosFile(name, int64(len(data)), ids), err
}

func (b *builder) index(records []byte) (format.Node, error) {
	ids := []format.ID{}
	err := cutIndex(records, func(piece []byte) error {
		id, err := b.w.SaveBlob(b.ctx, format.DataBlob, piece)
		ids = append(ids, id)
		return err
	})
	return b.iosFile(indexName, int64(len(records)), ids), err
}

// manifests stores Manifest.db, and, where that is not what the plain one
// encrypts to, what the phone sent.
func (b *builder) manifests() ([]format.Node, error) {
	plain := io.NewSectionReader(b.in.Manifest, 0, b.in.ManifestSize)
	key := b.meta.Keys.manifest
	if b.in.ManifestStored == nil || key.IsZero() {
		n, err := b.pieces(itunesbackup.ManifestName, plain, b.in.ManifestSize)
		return []format.Node{n}, err
	}
	stored := io.NewSectionReader(b.in.ManifestStored, 0, b.in.ManifestStoredSize)
	same := &comparer{with: stored}
	sealing, err := keybag.EncryptWriter(key, same)
	if err != nil {
		return nil, err
	}
	n, err := b.pieces(itunesbackup.ManifestName, io.TeeReader(plain, sealing), b.in.ManifestSize)
	if err == nil {
		err = sealing.Close()
	}
	if err == nil {
		err = same.end()
	}
	if !errors.Is(err, errDiffers) {
		return []format.Node{n}, err
	}
	b.meta.ManifestRaw = true
	if n, err = b.pieces(itunesbackup.ManifestName, io.NewSectionReader(b.in.Manifest, 0, b.in.ManifestSize), b.in.ManifestSize); err != nil {
		return nil, err
	}
	r, err := b.pieces(manifestRaw, io.NewSectionReader(b.in.ManifestStored, 0, b.in.ManifestStoredSize), b.in.ManifestStoredSize)
	return []format.Node{n, r}, err
}

// pieces stores a file of want bytes in pieces of one length.
func (b *builder) pieces(name string, r io.Reader, want int64) (format.Node, error) {
	ids := []format.ID{}
	size := int64(0)
	for {
		piece := make([]byte, manifestPiece) // the writer keeps it
		n, err := io.ReadFull(r, piece)
		if n > 0 {
			id, err := b.w.SaveBlob(b.ctx, format.DataBlob, piece[:n])
			if err != nil {
				return format.Node{}, err
			}
			ids, size = append(ids, id), size+int64(n)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			if size != want {
				return format.Node{}, fmt.Errorf("read %s: %d of %d bytes: %w", name, size, want, io.ErrUnexpectedEOF)
			}
			return b.iosFile(name, size, ids), nil
		}
		if err != nil {
			return format.Node{}, fmt.Errorf("read %s: %w", name, err)
		}
	}
}

var errDiffers = errors.New("it differs")

// comparer wants what is written to it to be what it reads.
type comparer struct {
	with io.Reader
	buf  []byte
}

func (c *comparer) Write(p []byte) (int, error) {
	c.buf = slices.Grow(c.buf[:0], len(p))[:len(p)]
	if _, err := io.ReadFull(c.with, c.buf); err == io.EOF || err == io.ErrUnexpectedEOF || err == nil && !bytes.Equal(c.buf, p) {
		return 0, errDiffers
	} else if err != nil {
		return 0, err
	}
	return len(p), nil
}

// end wants nothing to be left.
func (c *comparer) end() error {
	var one [1]byte
	n, err := c.with.Read(one[:])
	if n > 0 {
		return errDiffers
	}
	if err == io.EOF {
		return nil
	}
	return err
}
