//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/keepsake-backup/keepsake/internal/bench/corpus"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/cache"
	"github.com/keepsake-backup/keepsake/repository/backend/s3"
)

// bucket is an object store on loopback that counts what is asked of it.
type bucket struct {
	*httptest.Server
	mu    sync.Mutex
	count map[string]int64 // by kind of request; guarded by mu
	sent  atomic.Int64     // bytes of answers
}

// The kinds of requests, in the order in which they are shown.
var requestKinds = []string{"PUT", "GET", "HEAD", "LIST", "DELETE"}

func newBucket() *bucket {
	s := &bucket{count: map[string]int64{}}
	store := gofakes3.New(s3mem.New(), gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := r.Method
		if q := r.URL.Query(); kind == http.MethodGet && (q.Has("list-type") || q.Has("prefix") || q.Has("location")) {
			kind = "LIST"
		}
		s.mu.Lock()
		s.count[kind]++
		s.mu.Unlock()
		store.ServeHTTP(&counted{w, &s.sent}, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	return s
}

// take gives what was counted, and begins anew.
func (s *bucket) take() (map[string]int64, int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	count := s.count
	s.count = map[string]int64{}
	return count, s.sent.Swap(0)
}

// counted counts the bytes of an answer.
type counted struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *counted) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return c.ResponseWriter.Write(p)
}

// requests counts requests to an object store.
func (b *bench) requests(ctx context.Context) (err error) {
	home := filepath.Join(b.dir, "requests")
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	b.phase("requests: making the corpus")
	data := filepath.Join(home, "1")
	if err := b.makeCorpus(ctx, corpus.Mixed, home, corpus.Size{Bytes: int64(b.scale * (1 << 30))}, 1); err != nil {
		return err
	}
	bytes, err := treeSize(data)
	if err != nil {
		return err
	}
	files, err := treeFiles(data)
	if err != nil {
		return err
	}
	fmt.Printf("\n### Requests to an S3 store: %s files, %s; packs of 16 MiB\n\n", humanize.Comma(int64(files)), humanize.IBytes(uint64(bytes)))
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprint(w, "| job\t| program")
	for _, kind := range requestKinds {
		fmt.Fprintf(w, "\t| %s", kind)
	}
	fmt.Fprint(w, "\t| all\t| received\t|\n|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|\n")
	for _, c := range []struct {
		name  string
		start func(url string) requester
	}{
		{"keepsake, no cache", func(url string) requester { return &ourRequests{url: url} }},
		{"keepsake, cache", func(url string) requester { return &ourRequests{url: url, cache: filepath.Join(home, "cache")} }},
		{resticVersion(ctx) + ", cache", func(url string) requester { return &resticRequests{home: home, url: url} }},
	} {
		b.phase("requests: %s", c.name)
		if err := countRequests(ctx, w, c.name, data, c.start); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	w.Flush()
	return nil
}

// requester is a program whose requests are counted.
type requester interface {
	do(ctx context.Context, what, folder string) error
}

func countRequests(ctx context.Context, w io.Writer, name, data string, start func(url string) requester) error {
	s := newBucket()
	defer s.Close()
	r := start(s.URL)
	target, err := os.MkdirTemp(filepath.Dir(data), "restored-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(target)
	for _, step := range []struct {
		title, what, folder string
		before              func() error
	}{
		{title: "make the repository", what: "init"},
		{title: "first backup", what: "backup", folder: data},
		{title: "backup, nothing changed", what: "backup", folder: data},
		{title: "backup, 10 small files changed", what: "backup", folder: data, before: func() error { return touch(data, 10) }},
		{title: "restore", what: "restore", folder: target},
		{title: "check, structure", what: "check"},
		{title: "prune, nothing to do", what: "prune"},
	} {
		if step.before != nil {
			if err := step.before(); err != nil {
				return err
			}
		}
		if err := r.do(ctx, step.what, step.folder); err != nil {
			return fmt.Errorf("%s: %w", step.title, err)
		}
		count, received := s.take()
		fmt.Fprintf(w, "| %s\t| %s", step.title, name)
		all := int64(0)
		for _, kind := range requestKinds {
			fmt.Fprintf(w, "\t| %d", count[kind])
		}
		for _, n := range count {
			all += n
		}
		fmt.Fprintf(w, "\t| %d\t| %s\t|\n", all, humanize.IBytes(uint64(received)))
	}
	return nil
}

// touch changes n small files all over a folder.
func touch(dir string, n int) error {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".dat" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(files) < n {
		return fmt.Errorf("there are %d small files, not %d", len(files), n)
	}
	for i := range n {
		f, err := os.OpenFile(files[i*len(files)/n], os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString("changed")
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// ourRequests opens the repository anew for each job, as a program would.
type ourRequests struct {
	url, cache string
}

func (o *ourRequests) do(ctx context.Context, what, folder string) error {
	var be backend.Backend
	be, err := s3.Open(ctx, s3.Config{Endpoint: o.url[len("http://"):], Insecure: true, Bucket: "backups", Prefix: "phone", Region: "us-east-1",
		AccessKeyID: "key", SecretAccessKey: secret.NewText("secret")})
	if err != nil {
		return err
	}
	if o.cache != "" {
		if be, err = cache.New(be, o.cache, cache.Options{}); err != nil {
			return err
		}
	}
	return engineOn(ctx, be, repository.Options{}, what, folder)
}

// resticRequests runs restic.
type resticRequests struct {
	home, url string
}

func (r *resticRequests) do(ctx context.Context, what, folder string) error {
	out, err := os.Create(filepath.Join(r.home, "log"))
	if err != nil {
		return err
	}
	defer out.Close()
	args := map[string][]string{"init": {"init"}, "backup": {"backup", "."}, "restore": {"restore", "latest", "--target", folder}, "check": {"check"}, "prune": {"prune"}}[what]
	env := []string{"RESTIC_PASSWORD=" + password, "RESTIC_CACHE_DIR=" + filepath.Join(r.home, "resticcache"), "AWS_ACCESS_KEY_ID=key", "AWS_SECRET_ACCESS_KEY=secret",
		"AWS_DEFAULT_REGION=us-east-1", "TMPDIR=" + r.home}
	_, err = measureIn(ctx, folder, out, env, slices.Concat([]string{"restic", "-q", "-r", "s3:" + r.url + "/backups/phone"}, args)...)
	return err
}
