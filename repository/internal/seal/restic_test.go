package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// testdata/restic-0.14 holds files of a repository that Debian's restic 0.14.0 made
// of one file; the password is this one.
const resticPassword = "Pässwort mit Leerzeichen"

func resticFile(t *testing.T, pattern string) []byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "restic-0.14", filepath.FromSlash(pattern)))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %s: %v, %v", pattern, files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if name := filepath.Base(files[0]); name != "config" {
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != name {
			t.Fatalf("%s does not hash to its name", files[0])
		}
	}
	return data
}

type resticKey struct {
	KDF  string
	N    int `json:"N"`
	R    int `json:"r"`
	P    int `json:"p"`
	Salt []byte
	Data []byte
}

// readResticKey gives the key file, and the key of the password, derived once.
var derived sync.Map

func readResticKey(t *testing.T, password string) (resticKey, *Key) {
	t.Helper()
	var file resticKey
	if err := json.Unmarshal(resticFile(t, "keys/*"), &file); err != nil {
		t.Fatal(err)
	}
	if k, ok := derived.Load(password); ok {
		return file, k.(*Key)
	}
	k, err := Derive(secret.NewRepositoryPassword(password), file.Salt, Params{file.N, file.R, file.P})
	if err != nil {
		t.Fatal(err)
	}
	derived.Store(password, k)
	return file, k
}

func resticMaster(t *testing.T) *Key {
	t.Helper()
	file, k := readResticKey(t, resticPassword)
	data, err := k.Open(nil, file.Data)
	if err != nil {
		t.Fatal(err)
	}
	master, err := ParseMaster(data)
	if err != nil {
		t.Fatal(err)
	}
	if written := master.MarshalMaster().Reveal(); !bytes.Equal(written, data) {
		t.Error("restic writes the JSON of the master key another way")
	}
	return master
}

func TestResticConfig(t *testing.T) {
	plaintext, err := resticMaster(t).Open(nil, resticFile(t, "config"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"version":2,"id":"ff3a6f94c3ffa4f7872486a6e6c4369b2a0ead511143f6b0e5e9da3117e1f929","chunker_polynomial":"2e9c0430d849fd"}`
	if got := string(bytes.TrimRight(plaintext, "\n")); got != want {
		t.Errorf("the config is %q, want %q", got, want)
	}
}

func TestResticIndexAndPack(t *testing.T) {
	master := resticMaster(t)
	plaintext, err := master.Open(nil, resticFile(t, "index/*"))
	if err != nil {
		t.Fatal(err)
	}
	decoder, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	if plaintext[0] != 2 {
		t.Fatalf("the index begins with %#x, want 2", plaintext[0])
	}
	index, err := decoder.DecodeAll(plaintext[1:], nil)
	if err != nil || !bytes.HasPrefix(index, []byte(`{"packs":[{"id":"3ad3a1813acf18c3`)) {
		t.Fatalf("the index is %q, %v", index, err)
	}
	blob, err := master.OpenInPlace(resticFile(t, "data/*/*")[:74])
	if err != nil {
		t.Fatal(err)
	}
	content, err := decoder.DecodeAll(blob, nil)
	if want := "keepsake reads what restic wrote\n"; err != nil || string(content) != want {
		t.Errorf("the blob is %q, %v, want %q", content, err, want)
	}
}

func TestResticWrongPassword(t *testing.T) {
	file, k := readResticKey(t, resticPassword+" ")
	refused(t, k, file.Data, "a wrong password")
}
