package s3

import (
	"sync"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/backendtest"
)

func TestConformance(t *testing.T) {
	var stores sync.Map // of *store by *Backend
	backendtest.RunWith(t, backendtest.Options{
		Many: 1100, // more than a page
		Plant: func(t testing.TB, b backend.Backend, path string, data []byte) {
			s, _ := stores.Load(b)
			put(t, s.(*store), "phones/anna/"+path, data)
		},
	}, func(t *testing.T) backend.Backend {
		s := serve(t, plain)
		b := s.open(t, s.config())
		stores.Store(b, s)
		return b
	})
}
