// Package repositorytest makes repositories for tests and measurements that would
// take too long to write honestly.
package repositorytest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/internal/seal"
)

// Index is how much FillIndex writes.
type Index struct {
	Blobs   int // in all
	PerPack int // blobs of a pack: 16 to 40 with pieces of files, 400 with databases
	PerFile int // blobs of an index file; the engine writes 50,000
}

// FillIndex adds index files to the repository in be that name blobs and packs
// which are not there, encoded and sealed as the engine does it. The names are
// the same in each run. Opening such a repository costs what opening a real one
// does; reading a blob of it fails.
func FillIndex(ctx context.Context, be backend.Backend, password secret.RepositoryPassword, x Index) error {
	key, err := openKey(ctx, be, password)
	if err != nil {
		return fmt.Errorf("fill index: %w", err)
	}
	random := rand.NewPCG(1, uint64(x.Blobs))
	for left := x.Blobs; left > 0; left -= x.PerFile {
		json := format.AppendIndex(nil, packs(random, min(left, x.PerFile), x.PerPack))
		sealed := key.Seal(nil, format.EncodeUnpacked(nil, json))
		h := backend.Handle{Type: backend.IndexFile, Name: format.Hash(sealed).String()}
		if err := be.Save(ctx, h, bytes.NewReader(sealed)); err != nil {
			return fmt.Errorf("fill index: %w", err)
		}
	}
	return nil
}

// packs are n blobs; nine of ten are compressed.
func packs(random *rand.PCG, n, perPack int) []format.PackBlobs {
	var list []format.PackBlobs
	for n > 0 {
		p := format.PackBlobs{Pack: randomID(random), Blobs: make([]format.Blob, 0, min(n, perPack))}
		offset := uint32(0)
		for range min(n, perPack) {
			b := format.Blob{BlobHandle: format.BlobHandle{ID: randomID(random), Type: format.DataBlob}, Offset: offset, Length: uint32(20_000 + random.Uint64()%400_000)}
			if random.Uint64()%10 > 0 {
				b.UncompressedLength = b.Length + uint32(random.Uint64()%400_000)
			}
			offset += b.Length
			p.Blobs = append(p.Blobs, b)
		}
		list, n = append(list, p), n-len(p.Blobs)
	}
	return list
}

func randomID(random *rand.PCG) (id format.ID) {
	for i := 0; i < len(id); i += 8 {
		binary.LittleEndian.PutUint64(id[i:], random.Uint64())
	}
	return id
}

// openKey finds the master key: the engine gives it to nobody.
func openKey(ctx context.Context, be backend.Backend, password secret.RepositoryPassword) (*seal.Key, error) {
	var names []string
	err := be.List(ctx, backend.KeyFile, func(f backend.FileInfo) error {
		names = append(names, f.Name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		data, err := backend.ReadAll(ctx, be, backend.Handle{Type: backend.KeyFile, Name: name}, 64<<10)
		if err != nil {
			return nil, err
		}
		file, err := format.DecodeKeyFile(data)
		if err != nil {
			return nil, err
		}
		user, err := seal.Derive(password, file.Salt, seal.Params{N: file.N, R: file.R, P: file.P})
		if err != nil {
			return nil, err
		}
		master, err := user.Open(nil, file.Data)
		if errors.Is(err, seal.ErrAuth) {
			continue
		} else if err != nil {
			return nil, err
		}
		return seal.ParseMaster(master)
	}
	return nil, errors.New("no key opens with this password")
}
