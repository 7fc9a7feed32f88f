// Package s3 keeps a repository in a bucket of an object store that speaks the
// S3 protocol: Amazon's, or Garage, Ceph, MinIO, versitygw on a machine at home.
//
// The keys are restic's "default" layout (restic-format.md 1) below an optional
// prefix, so restic opens the same repository as s3:https://host/bucket/prefix:
//
//	<prefix>/config
//	<prefix>/keys/<id>        <prefix>/snapshots/<id>
//	<prefix>/index/<id>       <prefix>/locks/<id>
//	<prefix>/data/<first 2 hex>/<id>
//
// No objects stand for folders. What an operation costs:
//
//	Save      PUT with Content-MD5 and, in the signature, the SHA-256 of the
//	          body, which is the name: a store keeps nothing that changed on the
//	          way. One request up to 200 MiB, parts above (packs are smaller)
//	          for the config: HEAD before, and "If-None-Match: *"
//	Load      GET, with Range for a part
//	Stat      HEAD; if it fails a GET, to be told why
//	List      GET list-type=2, one for every 1000 objects
//	Remove    HEAD, then DELETE (which S3 answers with success either way)
//
// A PUT is all or nothing: an object is never seen half-written, and when the
// 200 comes it is durable. Writing an object again is harmless, for the same
// name means the same bytes; only the config is protected from it.
//
// Nothing is tried twice here: the wrapper above repeats what may succeed the
// next time (backend.IsPermanent tells it).
package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
)

// DefaultConnections is how many operations run at the same time unless Config
// says otherwise.
const DefaultConnections = 5

// Config says where a bucket is and who asks.
type Config struct {
	// Endpoint is the host of the store with an optional port, "s3.amazonaws.com"
	// or "nas.local:9000". Insecure speaks plain HTTP to it.
	Endpoint string
	Insecure bool
	// Bucket and, inside it, Prefix ("" is the whole bucket, "phones/anna").
	Bucket, Prefix string
	// Region as the store names it; "" asks the store once.
	Region string
	// AccessKeyID "" asks without credentials. SessionToken belongs to temporary
	// ones only.
	AccessKeyID                   string
	SecretAccessKey, SessionToken secret.Text
	// CAFile is a PEM file of certificates to trust besides the system's.
	CAFile string
	// Connections is how many operations are worth running at the same time; 0
	// is DefaultConnections.
	Connections int
	// Proxy chooses a proxy for a request, as http.ProxyFromEnvironment does; nil
	// is none.
	Proxy func(*http.Request) (*url.URL, error)
}

// Backend is a repository's place in a bucket. It implements backend.Backend
// and backend.Creator.
type Backend struct {
	client    *minio.Core
	transport *transport
	bucket    string
	prefix    string
	region    string
	props     backend.Properties

	life context.Context // ends with Close
	end  context.CancelFunc
}

var (
	_ backend.Backend = (*Backend)(nil)
	_ backend.Creator = (*Backend)(nil)
)

var errClosed = errors.New("the connection to the store is closed")

// Open checks c and prepares the connection; it asks the store nothing yet.
func Open(ctx context.Context, c Config) (*Backend, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b, err := open(c, stallTime)
	if err != nil {
		return nil, fmt.Errorf("open s3 bucket %q at %q: %w", c.Bucket, c.Endpoint, err)
	}
	return b, nil
}

func open(c Config, stall time.Duration) (*Backend, error) {
	switch {
	case c.Endpoint == "" || strings.ContainsAny(c.Endpoint, "/@?# "):
		return nil, errors.New("the endpoint has to be a host name with an optional port")
	case c.Bucket == "":
		return nil, errors.New("no bucket is named")
	case c.AccessKeyID == "" && !c.SecretAccessKey.IsZero():
		return nil, errors.New("there is a secret access key, but no access key ID")
	case c.AccessKeyID != "" && c.SecretAccessKey.IsZero():
		return nil, errors.New("there is an access key ID, but no secret access key")
	}
	if c.Connections <= 0 {
		c.Connections = DefaultConnections
	}
	t, err := newTransport(c, stall)
	if err != nil {
		return nil, err
	}
	client, err := minio.NewCore(c.Endpoint, &minio.Options{
		Creds:        credentials.NewStaticV4(c.AccessKeyID, c.SecretAccessKey.Reveal(), c.SessionToken.Reveal()),
		Secure:       !c.Insecure,
		Region:       c.Region,
		BucketLookup: minio.BucketLookupAuto, // host names for the stores that need them, paths for all others
		Transport:    t,
		MaxRetries:   1,
	})
	if err != nil {
		return nil, err
	}
	b := &Backend{client: client, transport: t, bucket: c.Bucket, region: c.Region}
	b.prefix = strings.TrimPrefix(path.Clean("/"+c.Prefix), "/")
	scheme := "https"
	if c.Insecure {
		scheme = "http"
	}
	b.props = backend.Properties{
		Location:    "s3:" + scheme + "://" + path.Join(c.Endpoint, c.Bucket, b.prefix),
		Connections: c.Connections,
		Remote:      true,
	}
	b.life, b.end = context.WithCancel(context.Background())
	return b, nil
}

// Properties are the location ("s3:https://host/bucket/prefix") and how many
// operations to run at the same time.
func (b *Backend) Properties() backend.Properties { return b.props }

// Requests counts the HTTP requests sent so far by kind: PUT, GET, HEAD, LIST,
// DELETE and OTHER (about the bucket, not an object of it). Stores charge by it.
func (b *Backend) Requests() map[string]int64 { return b.transport.counts() }

// Create makes the bucket unless it is there. A store that does not let us ask
// is taken to have it: the first Save will tell.
func (b *Backend) Create(ctx context.Context) error {
	ctx, done := b.during(ctx)
	defer done()
	err := b.create(ctx)
	if err != nil {
		return fmt.Errorf("create s3 bucket %s: %w", b.bucket, b.explain(ctx, err))
	}
	return nil
}

func (b *Backend) create(ctx context.Context) error {
	there, err := b.client.BucketExists(ctx, b.bucket)
	if err != nil {
		// HEAD gives no reasons; a listing of nothing does.
		err = b.list(ctx, backend.KeyFile, func(backend.FileInfo) error { return nil })
	}
	switch {
	case there, codeOf(err) == minio.AccessDenied:
		return nil
	case err != nil:
		return err
	}
	err = b.client.MakeBucket(ctx, b.bucket, minio.MakeBucketOptions{Region: b.region})
	if codeOf(err) == minio.BucketAlreadyOwnedByYou {
		return nil // somebody was faster
	}
	return err
}

// Close ends what still runs and the idle connections.
func (b *Backend) Close() error {
	b.end()
	b.transport.base.CloseIdleConnections()
	return nil
}

// during is ctx that also ends with Close.
func (b *Backend) during(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(b.life, func() { cancel(errClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// key is the key of an object in the bucket.
func (b *Backend) key(h backend.Handle) string { return path.Join(b.prefix, h.Path()) }
