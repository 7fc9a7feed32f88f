package cli

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/pathpattern"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// What ls, find, cat and dump do with a folder of iTunes (--folder). Its paths begin
// with a domain: /CameraRollDomain/Media/DCIM.

// inFolder makes a path of a command one of the file system.
func inFolder(p string) (string, error) {
	p = strings.Trim(p, "/")
	if p == "" {
		return ".", nil
	}
	if !fs.ValidPath(p) {
		return "", &usageError{fmt.Errorf("path %q: not one of a backup", p), "paths begin with a domain: /CameraRollDomain/Media/DCIM"}
	}
	return p, nil
}

// folderNode describes a file as the nodes of snapshots are described.
func folderNode(fsys fs.FS, name string, info fs.FileInfo) *format.Node {
	n := &format.Node{Name: path.Base(name), Type: format.NodeFile, Mode: info.Mode(), ModTime: info.ModTime(), AccessTime: info.ModTime(), ChangeTime: info.ModTime()}
	switch {
	case info.IsDir():
		n.Type = format.NodeDir
	case info.Mode()&fs.ModeSymlink != 0:
		n.Type = format.NodeSymlink
		if to, err := fs.ReadLink(fsys, name); err == nil {
			n.LinkTarget = to
		}
	default:
		n.Size = uint64(max(info.Size(), 0))
	}
	return n
}

func (a *app) lsFolder(_ context.Context, c *content, paths []string, f lsFlags) error {
	a.printf("Backup of %s:\n", c.title())
	if len(paths) == 0 {
		paths, f.recursive = []string{"/"}, true
	}
	for _, p := range paths {
		from, err := inFolder(p)
		if err != nil {
			return err
		}
		err = fs.WalkDir(c.FS, from, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if name != "." {
				info, err := d.Info()
				if err != nil {
					return err
				}
				a.showNode("/"+name, folderNode(c.FS, name, info), f.long)
			}
			if d.IsDir() && name != from && !f.recursive {
				return fs.SkipDir
			}
			return a.written()
		})
		if err != nil {
			return a.noSuchPath("list", p, err)
		}
	}
	return nil
}

func (a *app) noSuchPath(what, p string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &hintError{err: fmt.Errorf("%s %s: it is not in this backup", what, p), hint: "\"keepsake ls --folder DIR\" lists what is in it"}
	}
	return fmt.Errorf("%s %s: %w", what, p, err)
}

func (a *app) findFolder(ctx context.Context, c *content, patterns pathpattern.List, oldest, newest time.Time, long bool) error {
	found := foundJSON{Matches: []nodeJSON{}}
	err := fs.WalkDir(c.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || name == "." {
			return err
		}
		components := pathpattern.Split("/" + name)
		if !patterns.Match(components) {
			if d.IsDir() && !patterns.MayMatchBelow(components) {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.ModTime().Before(oldest) || !newest.IsZero() && info.ModTime().After(newest) {
			return nil
		}
		found.Hits++
		n := folderNode(c.FS, name, info)
		if a.json {
			found.Matches = append(found.Matches, newNodeJSON("/"+name, n))
			return nil
		}
		a.printf("%s\n", nodeLine("/"+name, n, long))
		return a.written()
	})
	if err != nil {
		return fmt.Errorf("find: %w", err)
	}
	switch {
	case a.json:
		a.emit([]foundJSON{found})
	case found.Hits == 0:
		a.printf("Nothing in the backup of %s.\n", c.title())
	}
	return nil
}

// dumpFolder writes a file of a backup to standard output, a folder as a tar archive.
func (a *app) dumpFolder(ctx context.Context, c *content, p string) error {
	name, err := inFolder(p)
	if err != nil {
		return err
	}
	info, err := fs.Stat(c.FS, name)
	if err != nil {
		return a.noSuchPath("dump", p, err)
	}
	write := func(w io.Writer) error { return copyFile(w, c.FS, name) }
	if info.IsDir() {
		if _, isTerminal := terminal(a.Stdout); isTerminal {
			return &usageError{fmt.Errorf("dump %s: a folder becomes a tar archive, which would disturb the terminal", p), "send it into a file: … > FILE"}
		}
		write = func(w io.Writer) error { return writeTar(ctx, w, c.FS, name) }
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	out := bufio.NewWriterSize(a.Stdout, 256<<10)
	if err := write(out); err != nil {
		return fmt.Errorf("dump %s: %w", p, err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("dump %s: %w", p, err)
	}
	return nil
}

func copyFile(w io.Writer, fsys fs.FS, name string) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

func writeTar(ctx context.Context, w io.Writer, fsys fs.FS, from string) error {
	out := tar.NewWriter(w)
	err := fs.WalkDir(fsys, from, func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || name == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		link := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if link, err = fs.ReadLink(fsys, name); err != nil {
				return err
			}
		}
		head, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		head.Name = name
		if info.IsDir() {
			head.Name += "/"
		}
		if err := out.WriteHeader(head); err != nil || !info.Mode().IsRegular() {
			return err
		}
		return copyFile(out, fsys, name)
	})
	return errors.Join(err, out.Close())
}
