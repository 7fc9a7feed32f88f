package corpus

import (
	"fmt"
	"os"
	"path/filepath"
)

// format is a kind of file that is compressed already.
type format struct {
	ext  string
	head []byte
}

// ftyp is the first box of HEIC and QuickTime files.
func ftyp(brand string) []byte {
	return append([]byte{0, 0, 0, 24, 'f', 't', 'y', 'p'}, brand+"\x00\x00\x00\x00"+"mif1"+brand...)
}

var (
	jpeg = format{".JPG", []byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00MM\x00*\x00\x00\x00\x08")}
	heic = format{".HEIC", ftyp("heic")}
	mov  = format{".MOV", ftyp("qt  ")}
)

// media fills dir with pictures and films, 1,000 to a folder.
func (m *maker) media(dir string, bytes int64) error {
	for left := bytes; left > 0; m.files++ {
		f, size := m.shot()
		sub := filepath.Join(dir, fmt.Sprintf("%dAPPLE", 100+m.files/1000))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
		size = min(size, max(left, 500_000), max(bytes/8, 500_000)) // a small corpus is not one film
		if err := m.create(filepath.Join(sub, fmt.Sprintf("IMG_%04d%s", m.files%10_000, f.ext)), f.head, size, m.noise); err != nil {
			return err
		}
		left -= size
	}
	return nil
}

// shot is one picture or film.
func (m *maker) shot() (format, int64) {
	switch n := m.random.IntN(100); {
	case n < 5:
		return mov, m.between(10e6, 300e6)
	case n < 35:
		return jpeg, m.between(1e6, 6e6)
	default:
		return heic, m.between(0.5e6, 4e6)
	}
}
