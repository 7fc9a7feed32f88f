package s3

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// partSize is the largest object that goes out in one request, and the size of
// the parts of a larger one. It is restic's number.
const partSize = 200 << 20

// Save puts an object. The config is written only where there is none; see
// saveConfig. Anything else may be overwritten: it is the same bytes, or what a
// broken store left of them.
func (b *Backend) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	return b.do(ctx, "save", h, func(ctx context.Context) error {
		if h.Type == backend.ConfigFile {
			return b.saveConfig(ctx, h, data)
		}
		return b.put(ctx, h, data, false)
	})
}

// saveConfig asks first, for stores that do not know If-None-Match and would
// ignore it, and then lets the store decide between two who write at the same
// time.
func (b *Backend) saveConfig(ctx context.Context, h backend.Handle, data backend.Content) error {
	switch _, err := b.head(ctx, b.key(h)); {
	case err == nil:
		return backend.ErrExist
	case !isMissing(err):
		return err
	}
	err := b.put(ctx, h, data, true)
	code := codeOf(err)
	switch {
	case statusOf(err) == http.StatusPreconditionFailed:
		return backend.ErrExist
	case statusOf(err) == http.StatusNotImplemented, code == "InvalidArgument", code == "InvalidRequest":
		// The store refuses the header. What was asked above has to do.
		return b.put(ctx, h, data, false)
	}
	return err
}

func (b *Backend) put(ctx context.Context, h backend.Handle, data backend.Content, onlyNew bool) error {
	opts := minio.PutObjectOptions{ContentType: "application/octet-stream", SendContentMd5: true}
	if onlyNew {
		opts.SetMatchETagExcept("*")
	}
	size := data.Size()
	// A section reader can be read twice, for its sums and for the wire.
	body := io.NewSectionReader(data, 0, size)
	if size > partSize {
		opts.PartSize, opts.NumThreads = partSize, 1
		_, err := b.client.Client.PutObject(ctx, b.bucket, b.key(h), body, size, opts)
		return err
	}
	md5Sum, sha256Sum, err := sums(ctx, h, body)
	if err != nil {
		return &callerError{fmt.Errorf("read what to save: %w", err)}
	}
	// With the sum of the whole body in the signature there is no need to sign
	// the body piece by piece, as the client would do over plain HTTP.
	opts.DisableContentSha256 = true
	_, err = b.client.PutObject(ctx, b.bucket, b.key(h), body, size, md5Sum, sha256Sum, opts)
	return err
}

// sums are the MD5 of the body in base64 and its SHA-256 in hexadecimal digits,
// which is its name already except for the config.
func sums(ctx context.Context, h backend.Handle, body *io.SectionReader) (md5Sum, sha256Sum string, err error) {
	m, s := md5.New(), sha256.New()
	to := io.Writer(m)
	if h.Type == backend.ConfigFile {
		to = io.MultiWriter(m, s)
	}
	if _, err := io.Copy(to, backend.NewReader(ctx, body, body.Size())); err != nil {
		return "", "", err
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return "", "", err
	}
	if sha256Sum = h.Name; h.Type == backend.ConfigFile {
		sha256Sum = hex.EncodeToString(s.Sum(nil))
	}
	return base64.StdEncoding.EncodeToString(m.Sum(nil)), sha256Sum, nil
}

// Load gets an object or a part of it. The length that the store announces is
// compared with the one asked for before fn runs.
func (b *Backend) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	return b.do(ctx, "load", h, func(ctx context.Context) error {
		if err := backend.CheckRange(offset, length); err != nil {
			return &callerError{err}
		}
		body, err := b.get(ctx, b.key(h), offset, length)
		if err != nil {
			return err
		}
		defer body.Close()
		if err := fn(body); err != nil && body.err == nil {
			return &callerError{err}
		} else if err != nil {
			return err
		}
		return body.err
	})
}

func (b *Backend) get(ctx context.Context, key string, offset, length int64) (*body, error) {
	var opts minio.GetObjectOptions
	ranged := offset > 0 || length > 0
	if ranged {
		last := int64(0) // to the end
		if length > 0 {
			last = offset + length - 1
		}
		if offset == 0 && length == 1 {
			opts.Set("Range", "bytes=0-0") // SetRange has no words for it
		} else if err := opts.SetRange(offset, last); err != nil {
			return nil, err
		}
	}
	r, _, header, err := b.client.GetObject(ctx, b.bucket, key, opts)
	if codeOf(err) == minio.InvalidRange || statusOf(err) == http.StatusRequestedRangeNotSatisfiable {
		return b.behindEnd(ctx, key, offset, length)
	}
	if err != nil {
		return nil, err
	}
	announced, err := announcedLength(header, offset, ranged)
	if err == nil && length > 0 && announced != length {
		err = fmt.Errorf("%d of %d bytes from %d: %w", announced, length, offset, io.ErrUnexpectedEOF)
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return &body{ReadCloser: r, left: announced}, nil
}

// behindEnd tells why a range could not be had. Nothing from exactly the end on
// is a good answer to "all from there to the end".
func (b *Backend) behindEnd(ctx context.Context, key string, offset, length int64) (*body, error) {
	size, err := b.head(ctx, key)
	switch {
	case err != nil:
		return nil, err
	case length == 0 && offset == size:
		return &body{ReadCloser: http.NoBody}, nil
	default:
		return nil, fmt.Errorf("bytes from %d on, there are %d: %w", offset, size, io.ErrUnexpectedEOF)
	}
}

// announcedLength is what the header of an answer promises. A part has to be
// the part asked for: some stores ignore Range and send the whole object.
func announcedLength(h http.Header, offset int64, ranged bool) (int64, error) {
	n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("the store does not tell the length of its answer (%q)", text(h.Get("Content-Length")))
	}
	if ranged && !strings.HasPrefix(h.Get("Content-Range"), fmt.Sprintf("bytes %d-", offset)) {
		return 0, fmt.Errorf("the store sent another part of the file than bytes %d-: %q", offset, text(h.Get("Content-Range")))
	}
	return n, nil
}

// body gives exactly the announced bytes, and remembers what broke off a
// reading even when fn does not care.
type body struct {
	io.ReadCloser
	left int64
	err  error
}

func (r *body) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	if len(p) == 0 && r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.ReadCloser.Read(p)
	r.left -= int64(n)
	switch {
	case err == nil:
	case r.left == 0:
		err = io.EOF
	case errors.Is(err, io.EOF):
		r.err = io.ErrUnexpectedEOF
		err = r.err
	default:
		r.err = err
	}
	return n, err
}

// Stat asks for the size of an object.
func (b *Backend) Stat(ctx context.Context, h backend.Handle) (backend.FileInfo, error) {
	var size int64
	err := b.do(ctx, "stat", h, func(ctx context.Context) error {
		var err error
		size, err = b.head(ctx, b.key(h))
		return err
	})
	if err != nil {
		return backend.FileInfo{}, err
	}
	return backend.FileInfo{Name: h.Name, Size: size}, nil
}

// head asks for the size of an object. The answer to HEAD has no body, so a
// "no" comes without its reason: not found may mean the object, the bucket or
// even the access key. A GET is told it, and costs only where something is
// missing or wrong.
func (b *Backend) head(ctx context.Context, key string) (int64, error) {
	info, err := b.client.StatObject(ctx, b.bucket, key, minio.StatObjectOptions{})
	if statusOf(err)/100 == 4 {
		r, _, _, reason := b.client.GetObject(ctx, b.bucket, key, minio.GetObjectOptions{})
		if reason == nil {
			r.Close() // it has come in the meantime: the next try finds it
		} else {
			err = reason
		}
	}
	if err == nil && info.Size < 0 {
		err = errors.New("the store does not tell the size")
	}
	return info.Size, err
}

// Remove deletes an object. S3 calls it a success to delete what is not there,
// hence the question before.
func (b *Backend) Remove(ctx context.Context, h backend.Handle) error {
	return b.do(ctx, "remove", h, func(ctx context.Context) error {
		if _, err := b.head(ctx, b.key(h)); err != nil {
			return err
		}
		return b.client.RemoveObject(ctx, b.bucket, b.key(h), minio.RemoveObjectOptions{})
	})
}

// List goes through the objects of a type. Keys that Load would not look for
// are passed over: foreign names, and packs in the folder of other digits. A
// missing bucket is an error, not an empty listing.
func (b *Backend) List(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
	if t.Folder() == "" {
		return fmt.Errorf("list %v files: only kept in folders can they be listed", t)
	}
	given := ctx
	ctx, done := b.during(ctx)
	defer done()
	if err := b.list(ctx, t, fn); err != nil {
		return fmt.Errorf("list %v files: %w", t, b.explain(given, err))
	}
	return nil
}

func (b *Backend) list(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
	noOwner := false
	opts := minio.ListObjectsOptions{
		Prefix:     path.Join(b.prefix, t.Folder()) + "/",
		Recursive:  t == backend.PackFile,
		FetchOwner: &noOwner,
	}
	for o := range b.client.Client.ListObjectsIter(ctx, b.bucket, opts) {
		if o.Err != nil {
			return o.Err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		name := path.Base(o.Key)
		if !backend.IsName(name) || o.Key != b.key(backend.Handle{Type: t, Name: name}) || o.Size < 0 {
			continue
		}
		if err := fn(backend.FileInfo{Name: name, Size: o.Size}); err != nil {
			return &callerError{err}
		}
	}
	return ctx.Err() // at the end of ctx the iterator just stops
}

// do runs one operation and gives its error the name of the file.
func (b *Backend) do(ctx context.Context, verb string, h backend.Handle, op func(context.Context) error) error {
	if err := h.Check(); err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	inner, done := b.during(ctx)
	defer done()
	err := inner.Err()
	if err == nil {
		err = op(inner)
	}
	if err != nil {
		return fmt.Errorf("%s %v: %w", verb, h, b.explain(ctx, err))
	}
	return nil
}
