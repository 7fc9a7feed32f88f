package restore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/treewalk"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// FromSnapshot restores a phone's backup out of a repository, sealed or not, by
// way of [FromFS]: the phone gets, byte for byte, what it once sent. Before, it
// is made sure that the repository knows every part of every file. p's session
// must last until the end.
func FromSnapshot(ctx context.Context, dev Phone, p *snapshot.Snapshot, opt Options, rep progress.Reporter) (*Report, error) {
	folder, err := p.Folder(ctx)
	if err != nil {
		return nil, fmt.Errorf("restore %s: %w", dev.Name(), err)
	}
	return FromFS(ctx, dev, proven{folder, p}, p.Info().UDID, opt, rep)
}

// proven is the folder of a snapshot that is also a [Prover].
type proven struct {
	*snapshot.Folder
	p *snapshot.Snapshot
}

// Lacking looks up every part of every file in the repository's index.
func (f proven) Lacking(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		lost, err := f.lost(ctx)
		if err != nil {
			yield("", err)
			return
		}
		names, err := f.names(ctx, lost)
		if err != nil {
			yield("", err)
			return
		}
		for i, l := range lost {
			if !yield(names[i], l.why) {
				return
			}
		}
	}
}

// lostFile is one that lacks something, by its path below the phone's folder.
type lostFile struct {
	path string // "/HomeDomain/Library/SMS/sms.db"
	why  error
}

func (f proven) lost(ctx context.Context) ([]lostFile, error) {
	var list []lostFile
	s := f.p.Session()
	err := treewalk.Walk(ctx, s, f.p.Tree(), treewalk.Visitor{
		Node: func(at string, n *format.Node) error {
			for _, id := range n.Content {
				_, err := s.BlobSize(ctx, format.BlobHandle{ID: id, Type: format.DataBlob})
				var missing *repository.MissingError
				if errors.As(err, &missing) {
					list = append(list, lostFile{at, err})
					return nil
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
		Broken: func(at string, err error) error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			list = append(list, lostFile{at, err})
			return nil
		},
	})
	return list, err
}

// names gives the names in the iTunes folder of lost files. One that has none,
// or whose name is lost as well, keeps its path.
func (f proven) names(ctx context.Context, lost []lostFile) (_ []string, err error) {
	names := make([]string, len(lost))
	inDomains := false
	index := !f.p.Meta().Sealed // can be asked
	for i, l := range lost {
		names[i] = strings.TrimPrefix(l.path, "/")
		if rest, ok := strings.CutPrefix(names[i], "_ios/"); ok {
			names[i] = nameBelowIOS(rest)
			index = index && names[i] != itunesbackup.ManifestName
		} else {
			inDomains = true
		}
	}
	if !inDomains || !index {
		return names, nil
	}
	manifest, err := f.p.Manifest(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, manifest.Close()) }()
	for i, l := range lost {
		domain, rest, _ := strings.Cut(strings.TrimPrefix(l.path, "/"), "/")
		if domain == "_ios" {
			continue
		}
		r, found, err := manifest.Find(ctx, domain, rest)
		var row *itunesbackup.RowError
		switch {
		case err != nil && !errors.As(err, &row):
			return nil, err
		case err == nil && found && r.Kind() == itunesbackup.FlagFile:
			names[i] = r.ID.Path()
		}
	}
	return names, nil
}

// nameBelowIOS gives the name in the iTunes folder of what stands in the folder
// _ios: lists by their own names, contents by their file IDs.
func nameBelowIOS(rest string) string {
	base := path.Base(rest)
	if id, err := itunesbackup.ParseFileID(base); err == nil {
		return id.Path()
	}
	if base == "Manifest.db.raw" {
		return itunesbackup.ManifestName
	}
	return base
}
