package server

import (
	"archive/zip"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/keepsake-backup/keepsake/service"
)

// filePolicy is what a file from a backup may do in the browser: nothing. It could
// be a page or a picture with script in it that somebody once got sent.
const filePolicy = "sandbox; default-src 'none'"

// shown are the kinds of files that a browser shows without running anything in
// them. Everything else is only ever saved.
var shown = map[string]string{
	".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp", ".heic": "image/heic",
	".mov": "video/quicktime", ".mp4": "video/mp4", ".m4v": "video/x-m4v", ".m4a": "audio/mp4", ".mp3": "audio/mpeg",
}

// download sends a file of a version, in parts if they are asked for, or with zip=1
// a folder. With show=1 pictures and films are sent to be shown.
//
//	GET /phones/{udid}/versions/{id}/download?path=…[&zip=1][&show=1]
func (rt *router) download(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	udid, version, name := r.PathValue("udid"), r.PathValue("id"), q.Get("path")
	long(w)
	if q.Get("zip") != "" {
		return rt.sendFolder(w, r, udid, version, name)
	}
	if name == "" {
		return &inputError{"no file is named", "Choose a file."}
	}
	f, err := rt.o.Service.Open(r.Context(), whoFrom(r.Context()), udid, version, name)
	if err != nil {
		return fmt.Errorf("open file of version: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("look at file of version: %w", err)
	}
	h := w.Header()
	how, kind := "attachment", "application/octet-stream"
	if t, ok := shown[strings.ToLower(path.Ext(name))]; ok && q.Get("show") != "" {
		how, kind = "inline", t
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", disposition(how, path.Base(name)))
	h.Set("Content-Security-Policy", filePolicy)
	h.Set("Cache-Control", "private, no-cache")
	h.Set("ETag", etag(version, name))
	http.ServeContent(w, r, "", info.ModTime(), f)
	return nil
}

// disposition is a Content-Disposition by RFC 6266: what every browser understands,
// and the whole name besides.
func disposition(how, name string) string {
	name = safeName(name)
	ascii := strings.Map(func(c rune) rune {
		if c > unicode.MaxASCII || c == '"' || c == '%' {
			return '_'
		}
		return c
	}, name)
	s := mime.FormatMediaType(how, map[string]string{"filename": ascii})
	if s == "" {
		s = how
	}
	if ascii != name {
		s += "; filename*=UTF-8''" + percent(name)
	}
	return s
}

// percent escapes all but the attr-char of RFC 8187.
func percent(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < utf8.RuneSelf && (unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c)) || strings.IndexByte("!#$&+-.^_`|~", c) >= 0) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// safeName is one part of a path as every system can have it, and none takes for
// something else: no separators, no control characters, none that turn the
// direction of writing so that "gpj.exe" reads as a picture.
func safeName(name string) string {
	name = strings.Map(func(c rune) rune {
		switch {
		case c == utf8.RuneError, unicode.IsControl(c), strings.ContainsRune(`/\:*?<>|`, c):
			return '_'
		case unicode.Is(unicode.Cf, c) && c != '\u200d' && c != '\u200c': // joiners belong to letters and emoji
			return -1
		}
		return c
	}, name)
	if name = strings.TrimRight(name, ". "); name == "" {
		return "_"
	}
	for len(name) > 200 {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	return name
}

const (
	maxZipFiles = 1_000_000
	maxDepth    = 64 // of folders; the phone's own limit is a path of 1,024 characters
	listPage    = 1000
)

// zipper writes a folder of a version as a ZIP while it is read.
type zipper struct {
	svc           Browser
	who           service.Who
	udid, version string
	out           *zip.Writer
	names         map[string]int // as they were first taken, in lower case, to how often
}

// sendFolder sends what is in a folder. The first page is read before anything is
// sent, so that what cannot be had is told; what fails later cuts the connection,
// since half a ZIP must not look like a whole one.
func (rt *router) sendFolder(w http.ResponseWriter, r *http.Request, udid, version, folder string) error {
	z := &zipper{svc: rt.o.Service, who: whoFrom(r.Context()), udid: udid, version: version, names: map[string]int{}}
	first, err := z.svc.List(r.Context(), z.who, udid, version, folder, "", listPage)
	if err != nil {
		return fmt.Errorf("list folder of version: %w", err)
	}
	name := path.Base(folder)
	if folder == "" {
		name = first.Version.Name + " " + first.Version.Time.Format("2006-01-02 1504")
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", disposition("attachment", name+".zip"))
	h.Set("Content-Security-Policy", filePolicy)
	if r.Method == http.MethodHead {
		return nil
	}
	out := &taken{to: w}
	z.out = zip.NewWriter(out)
	z.out.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
	if err = z.folder(r.Context(), first, folder, "", 0); err == nil {
		err = z.out.Close()
	}
	if err != nil {
		rt.cut(r, out, "a download of a folder broke", err, "version", version)
	}
	return nil
}

// taken is a response that is written while it is made. Who asked for it may leave at
// any time.
type taken struct {
	to  io.Writer
	err error // of the first write that failed
}

func (t *taken) Write(p []byte) (int, error) {
	n, err := t.to.Write(p)
	if err != nil && t.err == nil {
		t.err = err
	}
	return n, err
}

// cut ends a download in the middle, so that half of it is not taken for the whole. It
// is our fault unless who asked has gone, or takes nothing any more.
func (rt *router) cut(r *http.Request, out *taken, what string, err error, args ...any) {
	level := slog.LevelError
	if out.err != nil || r.Context().Err() != nil || errors.Is(err, context.Canceled) {
		level = slog.LevelDebug
	}
	rt.o.Log.Log(r.Context(), level, what, append(args, "err", err)...)
	panic(http.ErrAbortHandler)
}

// folder writes what page and the pages after it list; prefix is the folder's name
// in the ZIP, "" or with a slash at its end.
func (z *zipper) folder(ctx context.Context, page service.Listing, folder, prefix string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("zip folder: deeper than %d folders", maxDepth)
	}
	for {
		for _, e := range page.Entries {
			if err := z.entry(ctx, e, prefix, depth); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		next, err := z.svc.List(ctx, z.who, z.udid, z.version, folder, page.Next, listPage)
		if err != nil {
			return fmt.Errorf("list folder of version: %w", err)
		}
		if next.Next == page.Next {
			return errors.New("list folder of version: the list does not advance")
		}
		page = next
	}
}

func (z *zipper) entry(ctx context.Context, e service.Entry, prefix string, depth int) error {
	name := z.free(prefix + safeName(path.Base(e.Path)))
	if len(z.names) > maxZipFiles {
		return fmt.Errorf("zip folder: more than %d files", maxZipFiles)
	}
	if e.Dir {
		page, err := z.svc.List(ctx, z.who, z.udid, z.version, e.Path, "", listPage)
		if err != nil {
			return fmt.Errorf("list folder of version: %w", err)
		}
		return z.folder(ctx, page, e.Path, name+"/", depth+1)
	}
	f, err := z.svc.Open(ctx, z.who, z.udid, z.version, e.Path)
	if err != nil {
		return fmt.Errorf("open file of version: %w", err)
	}
	defer f.Close()
	head := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: e.ModTime}
	if _, packed := shown[strings.ToLower(path.Ext(name))]; packed {
		head.Method = zip.Store
	}
	w, err := z.out.CreateHeader(head)
	if err != nil {
		return fmt.Errorf("zip file: %w", err)
	}
	if _, err := io.Copy(w, f); err != nil {
		return fmt.Errorf("zip file: %w", err)
	}
	return nil
}

// free is name, or with a number if the ZIP has that name already: names that
// differ on a phone may be the same when they are made safe, or to a system that
// does not tell upper from lower case.
func (z *zipper) free(name string) string {
	try := name
	for {
		taken := z.names[strings.ToLower(try)]
		if taken == 0 {
			break
		}
		// Counting on from the last one keeps many equal names from taking quadratic time.
		n := z.names[strings.ToLower(name)] + 1
		z.names[strings.ToLower(name)] = n
		ext := path.Ext(name)
		try = fmt.Sprintf("%s %d%s", strings.TrimSuffix(name, ext), n, ext)
	}
	z.names[strings.ToLower(try)] = 1
	return try
}

// etag names a file for ever: what a version holds never changes.
func etag(version, name string) string {
	sum := sha256.Sum256([]byte(version + "\x00" + name))
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}
