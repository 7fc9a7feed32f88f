package chat

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// A folder that is an attachment (a bundle) is taken with at most so many files, so deep.
const (
	maxFolderFiles = 2000
	maxFolderDepth = 12
)

// attach puts what came with a message into the folder of its conversation, and
// notes where. What cannot be read is reported, and stays without a File.
func (e *exporter) attach(ctx context.Context, folder string, m *Message) error {
	if !e.o.Files {
		return nil
	}
	for i := range m.Attachments {
		a := &m.Attachments[i]
		if a.Path == "" && a.Content == "" && a.Preview == "" {
			continue
		}
		var err error
		if a.previewed() {
			name := strings.TrimSuffix(fileName(*a), path.Ext(fileName(*a))) + " (preview).jpg"
			a.File, err = e.putFile(ctx, []string{folder, "media", name}, a.Preview, m)
		} else if a.Path == "" {
			a.File, err = e.putContent(ctx, folder, m, i)
		} else if a.Folder {
			err = e.putFolder(ctx, folder, m, a)
		} else {
			a.File, err = e.putFile(ctx, []string{folder, "media", fileName(*a)}, a.Path, m)
		}
		if err = e.excuse(ctx, "attachment "+a.Path, err); err != nil {
			return err
		}
	}
	return nil
}

// previewed tells whether a small picture is all that there is of a file.
func (a Attachment) previewed() bool { return a.Path == "" && a.Content == "" && a.Preview != "" }

// excuse reports an error of one thing; those that end all are given back.
func (e *exporter) excuse(ctx context.Context, what string, err error) error {
	var host *outtree.HostError
	if err == nil || ctx.Err() != nil || errors.As(err, &host) {
		return err
	}
	e.rep.Report(&extract.Problem{Kind: e.info.Kind, What: what, Err: err})
	return nil
}

func (e *exporter) putFile(ctx context.Context, place []string, from string, m *Message) (string, error) {
	if !fs.ValidPath(from) {
		return "", fmt.Errorf("%q is no path", from)
	}
	info, err := fs.Stat(e.src.FS, from)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no file", from)
	}
	f := outtree.File{Path: append([]string{e.info.Title}, place...), Key: e.info.Kind + "/media/" + from, Stamp: outtree.StampOf(info), ModTime: m.Time}
	if f.ModTime.IsZero() {
		f.ModTime = info.ModTime()
	}
	p, err := e.out.Put(ctx, f, outtree.Copy(e.src.FS, from))
	return p.Path, err
}

// putContent writes a file that the app keeps in its database.
func (e *exporter) putContent(ctx context.Context, folder string, m *Message, i int) (string, error) {
	a := m.Attachments[i]
	sum := sha256.Sum256([]byte(a.Content))
	f := outtree.File{Path: []string{e.info.Title, folder, "media", fileName(a)}, Key: fmt.Sprintf("%s/media/%s/%d", e.info.Kind, m.Key, i), Stamp: hex.EncodeToString(sum[:16]), ModTime: m.Time}
	p, err := e.out.Put(ctx, f, func(w io.Writer) error { _, err := io.WriteString(w, a.Content); return err })
	return p.Path, err
}

// putFolder copies all that is in a folder.
func (e *exporter) putFolder(ctx context.Context, folder string, m *Message, a *Attachment) error {
	if !fs.ValidPath(a.Path) {
		return fmt.Errorf("%q is no path", a.Path)
	}
	n := 0
	return fs.WalkDir(e.src.FS, a.Path, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.Split(strings.TrimPrefix(strings.TrimPrefix(p, a.Path), "/"), "/")
		if d.IsDir() {
			if len(rel) > maxFolderDepth {
				return fs.SkipDir
			}
			return nil
		}
		if n++; n > maxFolderFiles {
			return fmt.Errorf("more than %d files in it", maxFolderFiles)
		}
		place, err := e.putFile(ctx, append([]string{folder, "media", fileName(*a)}, rel...), p, m)
		if err == nil && a.File == "" {
			a.File = place
			for range rel {
				a.File = path.Dir(a.File)
			}
		}
		return err
	})
}

// fileName is what an attachment is called in an export: as its sender called it,
// with an ending that says what it is.
func fileName(a Attachment) string {
	name := path.Base("/" + a.Name)
	own := path.Base("/" + a.Path)
	if a.Name == "" || name == "/" {
		name = own
	}
	if path.Ext(name) == "" && !a.Folder {
		if ext := path.Ext(own); ext != "" && len(ext) < 8 {
			return name + ext
		}
		return name + endingOf(a.Type)
	}
	return name
}
