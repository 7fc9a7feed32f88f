package service

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
)

// photos is the folder of a backup that holds the originals.
const photos = "CameraRollDomain/Media/DCIM"

// unfinishedPhoto begins the names of files that are not complete.
const unfinishedPhoto = ".keepsake-part-"

// giver puts new originals of one phone into a folder, each once.
type giver struct {
	from fs.FS    // of the version
	into *os.Root // the folder of the phone
	// given tells whether it was handed over before, give that it is now. Names
	// are digests.
	given func(ctx context.Context, digest catalog.Digest) (bool, error)
	give  func(ctx context.Context, digest catalog.Digest) error
	told  func(files, bytes int64)

	files, bytes int64
}

// photoDigest names an original without telling its name: phones use names again
// after a reset, so that size and time belong to it.
func photoDigest(name string, size int64, at time.Time) catalog.Digest {
	return sha256.Sum256([]byte(name + "\x00" + strconv.FormatInt(size, 10) + "\x00" + strconv.FormatInt(at.Unix(), 10)))
}

// run hands over whatever is new.
func (g *giver) run(ctx context.Context) error {
	err := fs.WalkDir(g.from, photos, func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return g.one(ctx, name, info)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has no pictures
	}
	return err
}

func (g *giver) one(ctx context.Context, name string, info fs.FileInfo) error {
	inside := strings.TrimPrefix(name, photos+"/")
	digest := photoDigest(inside, info.Size(), info.ModTime())
	if done, err := g.given(ctx, digest); done || err != nil {
		return err
	}
	target := safePath(inside)
	if target == "" {
		return nil
	}
	if err := g.put(ctx, name, target, info); err != nil {
		return fmt.Errorf("hand over %s: %w", path.Base(target), err)
	}
	if err := g.give(ctx, digest); err != nil {
		return err
	}
	g.files++
	g.bytes += info.Size()
	g.told(g.files, g.bytes)
	return nil
}

// put writes the whole file beside its place and then renames it, so that who
// watches the folder never sees a part.
func (g *giver) put(ctx context.Context, name, target string, info fs.FileInfo) (err error) {
	if dir := path.Dir(target); dir != "." {
		if err := g.into.MkdirAll(filepath.FromSlash(dir), 0o750); err != nil {
			return err
		}
	}
	if target, err = g.free(target, info); target == "" || err != nil {
		return err // it is there: the process ended before that was noted
	}
	part := path.Join(path.Dir(target), unfinishedPhoto+path.Base(target))
	out, err := g.into.OpenFile(filepath.FromSlash(part), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.into.Remove(filepath.FromSlash(part)))
		}
	}()
	if err := g.copy(ctx, out, name); err != nil {
		return errors.Join(err, out.Close())
	}
	if err := errors.Join(out.Sync(), out.Close()); err != nil {
		return err
	}
	at := info.ModTime()
	if err := g.into.Chtimes(filepath.FromSlash(part), at, at); err != nil {
		return err
	}
	return g.into.Rename(filepath.FromSlash(part), filepath.FromSlash(target))
}

func (g *giver) copy(ctx context.Context, out io.Writer, name string) error {
	in, err := g.from.Open(name)
	if err != nil {
		return err
	}
	defer in.Close() // read only
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return ctx.Err()
}

// maxTwins bounds how many files of one name there may be.
const maxTwins = 1000

// free finds a name that nothing has: "IMG_0001.HEIC", or "IMG_0001 (2).HEIC".
// It is empty if the same file is there.
func (g *giver) free(target string, info fs.FileInfo) (string, error) {
	ext := path.Ext(target)
	stem := strings.TrimSuffix(target, ext)
	for n := 1; n <= maxTwins; n++ {
		name := target
		if n > 1 {
			name = fmt.Sprintf("%s (%d)%s", stem, n, ext)
		}
		there, err := g.into.Lstat(filepath.FromSlash(name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return name, nil
		case err != nil:
			return "", err
		case there.Mode().IsRegular() && there.Size() == info.Size() && there.ModTime().Unix() == info.ModTime().Unix():
			return "", nil
		}
	}
	return "", fmt.Errorf("there are %d files of that name", maxTwins)
}

// safePath makes of a path on the phone one below a folder of this computer, ""
// if it cannot: the phone's word is not trusted, and not every system takes every
// name.
func safePath(name string) string {
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		part = safeName(part)
		if part == "" {
			return ""
		}
		parts = append(parts, part)
	}
	return path.Join(parts...)
}

// safeName makes of any text a file name that all systems take, "" if nothing is left.
func safeName(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || strings.ContainsRune(`<>:"/\|?*`, r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(text, "_"))
	text = strings.TrimRight(strings.TrimSpace(text), ". ")
	if strings.HasPrefix(text, ".") || len(text) > 200 {
		return ""
	}
	stem, _, _ := strings.Cut(strings.ToUpper(text), ".")
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8", "COM9",
		"LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9":
		return "_" + text
	}
	return text
}
