package server

import (
	"fmt"
	"net/http"

	"github.com/klauspost/compress/gzhttp"
)

// newCompressor gives pages and JSON compressed to those who take it.
//
// Compression beside a secret leaks the secret to whoever can make the browser ask
// for the same page with guesses in it, many times, and see its length (BREACH).
// Here another site cannot do that: requests of its making are refused unless they
// are visits of a person (sameSite), there are no tokens in forms to guess at, and
// pages with a secret in them go out uncompressed (uncompressed). The jitter makes
// lengths worthless besides.
func newCompressor() (func(http.Handler) http.HandlerFunc, error) {
	wrap, err := gzhttp.NewWrapper(
		gzhttp.EnableZstd(false),
		gzhttp.MinSize(1024),
		gzhttp.RandomJitter(32, 0, false),
		gzhttp.ContentTypes([]string{"text/html", "text/css", "text/javascript", "application/json", "application/openapi+json", "image/svg+xml", "application/manifest+json"}),
	)
	if err != nil {
		return nil, fmt.Errorf("make compressor: %w", err)
	}
	return wrap, nil
}
