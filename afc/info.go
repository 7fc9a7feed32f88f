package afc

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"time"
)

// Info describes a file: an fs.FileInfo with what else the phone tells. Sys
// returns nil.
type Info struct {
	name       string
	size       int64
	mode       fs.FileMode
	modTime    time.Time
	BirthTime  time.Time // zero if unknown
	Links      uint64    // 0 if unknown
	LinkTarget string    // of a symbolic link
}

func (i *Info) Name() string       { return i.name }
func (i *Info) Size() int64        { return i.size }
func (i *Info) Mode() fs.FileMode  { return i.mode } // the type; permissions are not told
func (i *Info) ModTime() time.Time { return i.modTime }
func (i *Info) IsDir() bool        { return i.mode.IsDir() }
func (i *Info) Sys() any           { return nil }

// Stat describes the file at name, without following a symbolic link.
func (c *Client) Stat(ctx context.Context, name string) (*Info, error) {
	p, err := cpath(name)
	if err != nil {
		return nil, opError("stat", name, err)
	}
	reply, err := c.call(ctx, OpGetFileInfo, p, nil, OpData)
	if err != nil {
		return nil, opError("stat", name, err)
	}
	info, err := parseInfo(path.Base(path.Join("/", name)), reply.Data)
	if err != nil {
		return nil, opError("stat", name, err)
	}
	return info, nil
}

// maxPairs bounds the keys of one description; phones send about seven.
const maxPairs = 256

// parsePairs reads NUL-separated keys and values.
func parsePairs(data []byte) (map[string]string, error) {
	values, err := splitNUL(data, 2*maxPairs)
	if err != nil {
		return nil, err
	}
	if len(values)%2 != 0 {
		return nil, fmt.Errorf("%w: key %.40q without a value", ErrMalformed, values[len(values)-1])
	}
	pairs := make(map[string]string, len(values)/2)
	for i := 0; i < len(values); i += 2 {
		pairs[values[i]] = values[i+1]
	}
	return pairs, nil
}

// Types by st_ifmt.
var fileTypes = map[string]fs.FileMode{
	"S_IFREG":  0,
	"S_IFDIR":  fs.ModeDir,
	"S_IFLNK":  fs.ModeSymlink,
	"S_IFBLK":  fs.ModeDevice,
	"S_IFCHR":  fs.ModeDevice | fs.ModeCharDevice,
	"S_IFIFO":  fs.ModeNamedPipe,
	"S_IFSOCK": fs.ModeSocket,
}

func parseInfo(name string, data []byte) (*Info, error) {
	pairs, err := parsePairs(data)
	if err != nil {
		return nil, err
	}
	info := &Info{name: name, LinkTarget: pairs["LinkTarget"]}
	mode, known := fileTypes[pairs["st_ifmt"]]
	if !known {
		return nil, fmt.Errorf("%w: st_ifmt %.40q", ErrMalformed, pairs["st_ifmt"])
	}
	info.mode = mode
	if info.size, err = strconv.ParseInt(pairs["st_size"], 10, 64); err != nil || info.size < 0 {
		return nil, fmt.Errorf("%w: st_size %.40q", ErrMalformed, pairs["st_size"])
	}
	if info.modTime, err = unixNano(pairs["st_mtime"]); err != nil {
		return nil, err
	}
	if info.BirthTime, err = unixNano(pairs["st_birthtime"]); err != nil {
		return nil, err
	}
	if s := pairs["st_nlink"]; s != "" {
		if info.Links, err = strconv.ParseUint(s, 10, 64); err != nil {
			return nil, fmt.Errorf("%w: st_nlink %.40q", ErrMalformed, s)
		}
	}
	return info, nil
}

// unixNano reads nanoseconds since 1970; no text is no time.
func unixNano(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: time %.40q", ErrMalformed, s)
	}
	return time.Unix(0, n).UTC(), nil
}
