package location

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/repository/backend/rclone"
	"github.com/keepsake-backup/keepsake/repository/backend/rest"
	"github.com/keepsake-backup/keepsake/repository/backend/retry"
	"github.com/keepsake-backup/keepsake/repository/backend/s3"
	"github.com/keepsake-backup/keepsake/repository/backend/sftp"
)

// Options are what an address does not say: credentials, programs, patience.
// Whoever has an environment reads it (AWS_ACCESS_KEY_ID and its relatives,
// RESTIC_REST_USERNAME …) and gives the values here. The zero value is good for
// what needs none.
type Options struct {
	// For s3. AccessKeyID "" asks without credentials, Region "" asks the store.
	AccessKeyID     string
	SecretAccessKey secret.Text
	SessionToken    secret.Text
	Region          string

	// For rest, where the address names no user.
	Username string
	Password secret.Text

	// RcloneProgram is rclone's name or path; "" is "rclone". RcloneArgs stand
	// before the remote; nil are restic's.
	RcloneProgram string
	RcloneArgs    []string
	// SFTPCommand is a program with arguments to use instead of ssh; nil is ssh.
	SFTPCommand []string

	// CAFile is a PEM file of certificates to trust, for s3 and rest.
	CAFile string
	// Proxy chooses a proxy for s3 and rest, as http.ProxyFromEnvironment does;
	// nil is none.
	Proxy func(*http.Request) (*url.URL, error)
	// Connections is how many operations are worth running at the same time; 0 is
	// each store's own choice.
	Connections int

	// Retry is how patient to be with a store that is not this machine. NoRetry
	// gives the bare backend.
	Retry   retry.Options
	NoRetry bool
}

// openers are all there are.
var openers = map[Kind]func(context.Context, Location, Options) (backend.Backend, error){
	Local: openLocal, S3: openS3, SFTP: openSFTP, REST: openREST, Rclone: openRclone,
}

// Open opens the store at l; there need not be a repository yet. ctx ends the
// opening only. Stores that are not this machine are made patient (package
// retry); the opening itself is tried once.
func Open(ctx context.Context, l Location, o Options) (backend.Backend, error) {
	open := openers[l.Kind]
	if open == nil {
		return nil, fmt.Errorf("open repository: there is no kind of store %q", l.Kind)
	}
	b, err := open(ctx, l, o)
	if err != nil {
		return nil, err
	}
	if b.Properties().Remote && !o.NoRetry {
		return retry.New(b, o.Retry), nil
	}
	return b, nil
}

// opened keeps a nil *Backend from becoming a backend that is not nil.
func opened[B backend.Backend](b B, err error) (backend.Backend, error) {
	if err != nil {
		return nil, err
	}
	return b, nil
}

func openLocal(_ context.Context, l Location, o Options) (backend.Backend, error) {
	return opened(local.Open(l.Path, local.Options{Connections: o.Connections}))
}

func openS3(ctx context.Context, l Location, o Options) (backend.Backend, error) {
	return opened(s3.Open(ctx, s3.Config{
		Endpoint: l.Host, Insecure: l.Insecure, Bucket: l.Bucket, Prefix: l.Path, Region: o.Region,
		AccessKeyID: o.AccessKeyID, SecretAccessKey: o.SecretAccessKey, SessionToken: o.SessionToken,
		CAFile: o.CAFile, Proxy: o.Proxy, Connections: o.Connections,
	}))
}

func openSFTP(ctx context.Context, l Location, o Options) (backend.Backend, error) {
	return opened(sftp.Open(ctx, sftp.Config{
		User: l.User, Host: l.Host, Port: l.Port, Path: l.Path, Command: o.SFTPCommand, Connections: o.Connections,
	}))
}

func openREST(ctx context.Context, l Location, o Options) (backend.Backend, error) {
	user, password := l.User, l.Password
	if user == "" && password.IsZero() {
		user = o.Username
	}
	if password.IsZero() {
		password = o.Password
	}
	return opened(rest.Open(ctx, rest.Config{
		URL: l.URL(), Username: user, Password: password, CAFile: o.CAFile, Proxy: o.Proxy, Connections: o.Connections,
	}))
}

func openRclone(ctx context.Context, l Location, o Options) (backend.Backend, error) {
	return opened(rclone.Open(ctx, rclone.Config{
		Remote: l.Remote, Program: o.RcloneProgram, Args: o.RcloneArgs, Connections: o.Connections,
	}))
}
