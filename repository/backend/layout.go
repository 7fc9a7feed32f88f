package backend

import (
	"context"
	"fmt"
	"io"
)

var folders = [...]string{KeyFile: "keys", PackFile: "data", IndexFile: "index", SnapshotFile: "snapshots", LockFile: "locks"}

// Folder is the folder of the files of type t in the default layout
// (restic-format.md 1): "keys", "data"…; "" for the config, which lies at the top.
func (t FileType) Folder() string {
	if int(t) < len(folders) {
		return folders[t]
	}
	return ""
}

// Path is where h lies in the default layout, with slashes, below the root:
// "config", "keys/<id>", "data/<first 2 hex>/<id>". h must have passed Check.
func (h Handle) Path() string {
	switch h.Type {
	case ConfigFile:
		return "config"
	case PackFile:
		return "data/" + h.Name[:2] + "/" + h.Name
	default:
		return h.Type.Folder() + "/" + h.Name
	}
}

// CheckRange tells whether offset and length, in bytes, can be those of a Load.
func CheckRange(offset, length int64) error {
	if offset < 0 || length < 0 || offset+length < 0 {
		return fmt.Errorf("there is no range of %d bytes from %d on", length, offset)
	}
	return nil
}

// NewReader gives the first n bytes of r. If r ends before, the error is
// io.ErrUnexpectedEOF; once ctx has ended, it is the context's.
func NewReader(ctx context.Context, r io.Reader, n int64) io.Reader {
	return &reader{ctx, r, n}
}

type reader struct {
	ctx  context.Context
	r    io.Reader
	left int64
}

func (r *reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.r.Read(p)
	r.left -= int64(n)
	switch {
	case err == io.EOF && r.left > 0:
		err = io.ErrUnexpectedEOF
	case err == io.EOF:
		err = nil // the next Read says so
	}
	return n, err
}
