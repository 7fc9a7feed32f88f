// Package davfs serves a file system by WebDAV, read-only: for computers that have no
// FUSE, but can connect to a server as a drive.
//
// The protocol is golang.org/x/net/webdav's. Nothing can be changed: the methods that
// would are refused before they get there.
package davfs

import (
	"context"
	"crypto/subtle"
	"errors"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"strings"

	"golang.org/x/net/webdav"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// User is the name that has to be given with the password.
const User = "keepsake"

// methods that only look.
var methods = map[string]bool{http.MethodOptions: true, http.MethodGet: true, http.MethodHead: true, "PROPFIND": true}

// Handler serves fsys, whose files must be io.Seekers, to whoever knows the password.
// failed is told what could not be read; nil tells nobody.
func Handler(fsys fs.FS, password secret.Text, failed func(error)) http.Handler {
	dav := &webdav.Handler{FileSystem: system{fsys}, LockSystem: webdav.NewMemLS(), Logger: func(_ *http.Request, err error) {
		if err != nil && failed != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, context.Canceled) {
			failed(err)
		}
	}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, given, ok := r.BasicAuth()
		same := subtle.ConstantTimeCompare([]byte(given), []byte(password.Reveal()))&subtle.ConstantTimeCompare([]byte(user), []byte(User)) == 1
		if !ok || !same {
			w.Header().Set("WWW-Authenticate", `Basic realm="Keepsake", charset="UTF-8"`)
			http.Error(w, "a user and a password are wanted", http.StatusUnauthorized)
			return
		}
		if !methods[r.Method] {
			w.Header().Set("Allow", "OPTIONS, GET, HEAD, PROPFIND")
			http.Error(w, "this is read-only", http.StatusMethodNotAllowed)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "sandbox; default-src 'none'") // what is in a backup could be a page with script in it
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "private, no-cache")
		dav.ServeHTTP(w, r)
	})
}

// system is a webdav.FileSystem of an fs.FS.
type system struct{ fsys fs.FS }

func (system) Mkdir(context.Context, string, os.FileMode) error { return fs.ErrPermission }
func (system) RemoveAll(context.Context, string) error          { return fs.ErrPermission }
func (system) Rename(context.Context, string, string) error     { return fs.ErrPermission }

func inside(name string) string {
	if name = strings.Trim(path.Clean("/"+name), "/"); name == "" {
		return "."
	}
	return name
}

func (s system) Stat(_ context.Context, name string) (os.FileInfo, error) {
	info, err := fs.Stat(s.fsys, inside(name))
	if err != nil {
		return nil, err
	}
	return described{info}, nil
}

func (s system) OpenFile(_ context.Context, name string, flag int, _ os.FileMode) (webdav.File, error) {
	if flag&(os.O_WRONLY|os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND) != 0 {
		return nil, fs.ErrPermission
	}
	f, err := s.fsys.Open(inside(name))
	if err != nil {
		return nil, err
	}
	return &file{f, s.fsys, inside(name)}, nil
}

// described is a FileInfo that tells the type by the name alone: otherwise every
// listing would open every file.
type described struct{ fs.FileInfo }

// ContentType implements webdav.ContentTyper.
func (d described) ContentType(context.Context) (string, error) {
	if t := mime.TypeByExtension(path.Ext(d.Name())); t != "" {
		return t, nil
	}
	return "application/octet-stream", nil
}

type file struct {
	fs.File
	fsys fs.FS
	name string
}

func (f *file) Write([]byte) (int, error) { return 0, fs.ErrPermission }

func (f *file) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	if err != nil {
		return nil, err
	}
	return described{info}, nil
}

func (f *file) Seek(offset int64, whence int) (int64, error) {
	s, ok := f.File.(io.Seeker)
	if !ok {
		return 0, errors.New("it cannot be read from the middle")
	}
	return s.Seek(offset, whence)
}

// Readdir lists a folder. What cannot be described is left out.
func (f *file) Readdir(int) ([]fs.FileInfo, error) {
	entries, err := fs.ReadDir(f.fsys, f.name)
	if err != nil {
		return nil, err
	}
	list := make([]fs.FileInfo, 0, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && (info.IsDir() || info.Mode().IsRegular()) {
			list = append(list, described{info})
		}
	}
	return list, nil
}
