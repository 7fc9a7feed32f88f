package restorer

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/treewalk"
)

// Streamer reads the repository in order: *repository.Session.
type Streamer interface {
	Tree(ctx context.Context, id format.ID) (*format.Tree, error)
	BlobSize(ctx context.Context, h format.BlobHandle) (uint32, error)
	Fetch(ctx context.Context, blobs []format.BlobHandle, deliver func(i int, data []byte) error) error
}

// WriteFile writes the content of a file.
func WriteFile(ctx context.Context, s Streamer, n *format.Node, w io.Writer) error {
	blobs := make([]format.BlobHandle, len(n.Content))
	for i, id := range n.Content {
		blobs[i] = format.BlobHandle{ID: id, Type: format.DataBlob}
	}
	return s.Fetch(ctx, blobs, func(_ int, data []byte) error {
		_, err := w.Write(data)
		return err
	})
}

// WriteTar writes what is below a tree as a tar archive (pax format: times to
// the nanosecond, extended attributes). Sockets are left out, as tar cannot hold
// them. The first error ends it: an archive with a hole in it is none.
func WriteTar(ctx context.Context, s Streamer, tree format.ID, w io.Writer) error {
	t := &tarWriter{s: s, w: tar.NewWriter(w)}
	err := treewalk.Walk(ctx, s, tree, treewalk.Visitor{Node: func(path string, n *format.Node) error { return t.add(ctx, path, n) }})
	if err == nil {
		err = t.flush(ctx)
	}
	if err != nil {
		return fmt.Errorf("write tar: %w", err)
	}
	if err := t.w.Close(); err != nil {
		return fmt.Errorf("write tar: %w", err)
	}
	return nil
}

// tarWriter gathers entries, so that the blobs of many files come in one stream.
type tarWriter struct {
	s       Streamer
	w       *tar.Writer
	entries []tarEntry
	blobs   []format.BlobHandle
}

type tarEntry struct {
	header *tar.Header
	end    int // of its blobs
}

// tarBatch is how many entries are gathered.
const tarBatch = 10_000

func (t *tarWriter) add(ctx context.Context, path string, n *format.Node) error {
	kind, ok := tarTypes[n.Type]
	if !ok {
		return nil
	}
	h := &tar.Header{Typeflag: kind, Name: strings.TrimPrefix(path, "/"), Linkname: n.LinkTarget, Mode: tarMode(n), Uid: int(n.UID), Gid: int(n.GID),
		Uname: n.User, Gname: n.Group, ModTime: n.ModTime, Format: tar.FormatPAX}
	switch n.Type {
	case format.NodeDir:
		h.Name += "/"
	case format.NodeDevice, format.NodeChar:
		h.Devmajor, h.Devminor = deviceNumbers(n.Device)
	}
	for _, x := range n.Xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords["SCHILY.xattr."+x.Name] = string(x.Value)
	}
	for _, id := range n.Content {
		b := format.BlobHandle{ID: id, Type: format.DataBlob}
		size, err := t.s.BlobSize(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		h.Size += int64(size)
		t.blobs = append(t.blobs, b)
	}
	t.entries = append(t.entries, tarEntry{h, len(t.blobs)})
	if len(t.entries) >= tarBatch || len(t.blobs) >= batchBlobs {
		return t.flush(ctx)
	}
	return nil
}

var tarTypes = map[format.NodeType]byte{format.NodeFile: tar.TypeReg, format.NodeDir: tar.TypeDir, format.NodeSymlink: tar.TypeSymlink,
	format.NodeDevice: tar.TypeBlock, format.NodeChar: tar.TypeChar, format.NodeFIFO: tar.TypeFifo}

// flush writes what was gathered.
func (t *tarWriter) flush(ctx context.Context) error {
	next := 0 // entry whose header is to be written
	headers := func(blob int) error {
		for ; next < len(t.entries) && (next == 0 || t.entries[next-1].end <= blob); next++ {
			if err := t.w.WriteHeader(t.entries[next].header); err != nil {
				return fmt.Errorf("%s: %w", t.entries[next].header.Name, err)
			}
		}
		return nil
	}
	err := t.s.Fetch(ctx, t.blobs, func(i int, data []byte) error {
		if err := headers(i); err != nil {
			return err
		}
		_, err := t.w.Write(data)
		return err
	})
	if err == nil {
		err = headers(len(t.blobs))
	}
	t.entries, t.blobs = t.entries[:0], t.blobs[:0]
	return err
}

// tarMode has the bits of POSIX.
func tarMode(n *format.Node) int64 {
	mode := int64(n.Mode.Perm())
	for _, b := range specialBits {
		if n.Mode&b.goBit != 0 {
			mode |= b.bit
		}
	}
	return mode
}

// deviceNumbers takes a device number of Linux apart.
func deviceNumbers(d uint64) (major, minor int64) {
	return int64(d>>8&0xfff | d>>32&^0xfff), int64(d&0xff | d>>12&^0xff&0xffffffff)
}
