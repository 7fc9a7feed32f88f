package backupagent

import (
	"context"
	"strings"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// begin prepares a phone that keeps no files.
func (r *restore) begin() (err error) {
	if v := r.phone.Vault(); v != nil {
		r.taking, err = v.Begin()
	}
	return err
}

func (r *restore) drop() error {
	if r.taking == nil {
		return nil
	}
	return r.phone.Vault().Drop(r.taking)
}

// takeManifest downloads Manifest.db, in clear, to where this phone keeps it.
func (r *restore) takeManifest(ctx context.Context) (err error) {
	name := r.top("Manifest.db")
	if r.taking == nil {
		r.manifest, err = r.fetchManifest(ctx, name, r.props, r.bag)
		return err
	}
	const text = "Error reading manifest"
	sink := &scratchSink{Writer: r.taking.Manifest()}
	if r.props.IsEncrypted {
		key, err := manifestKey(r.props, r.bag)
		if err != nil {
			return readFailed(text, malformed(err))
		}
		sink.crypt = &decrypter{key: key, out: r.taking.Manifest()}
		sink.Writer = sink.crypt
	}
	failed, err := r.link.download(ctx, []string{name}, 0, func(string) (fileSink, error) { return sink, nil })
	if err != nil {
		return err
	}
	if e := failed[name]; e != nil {
		return readFailed(text, e.mb())
	}
	return nil
}

// openManifest opens what takeManifest got.
func (r *restore) openManifest(ctx context.Context) (*itunesbackup.Manifest, error) {
	if r.taking != nil {
		return r.taking.OpenManifest(ctx)
	}
	return itunesbackup.OpenManifest(ctx, r.manifest)
}

// scratchSink passes a file on, through its cipher.
type scratchSink struct {
	Writer interface{ Write([]byte) (int, error) }
	crypt  *decrypter // nil when not encrypted
}

func (s *scratchSink) Write(p []byte) (int, error) { return s.Writer.Write(p) }

func (s *scratchSink) Close(complete bool) error {
	if s.crypt == nil {
		return nil
	}
	return s.crypt.close(complete)
}

// pairLogs finds the databases whose log or journal comes as a file of its own,
// as in containers of apps, and fetches those files one after the other: only
// together they are what the app has written.
func (r *restore) pairLogs(ctx context.Context, m *itunesbackup.Manifest) error {
	var pairs [][2]itunesbackup.FileID // database and log
	journals := map[itunesbackup.FileID]bool{}
	for row, err := range m.Records(ctx) {
		if err != nil || row.Kind() != itunesbackup.FlagFile || row.File.Size == 0 {
			continue // faulty rows have been refused before
		}
		base, wal := strings.CutSuffix(row.RelativePath, "-wal")
		journal := false
		if !wal {
			base, journal = strings.CutSuffix(row.RelativePath, "-journal")
		}
		if !wal && !journal || base == "" {
			continue
		}
		db, ok, err := m.Find(ctx, row.Domain, base)
		if err != nil {
			return err
		}
		if ok && db.Kind() == itunesbackup.FlagFile {
			pairs = append(pairs, [2]itunesbackup.FileID{db.ID, row.ID})
			journals[row.ID] = journal
		}
	}
	place := make(map[itunesbackup.FileID]int, 2*len(pairs)) // in r.plan.files
	for _, p := range pairs {
		place[p[0]], place[p[1]] = -1, -1
	}
	for i, f := range r.plan.files {
		if _, ok := place[f.id]; ok {
			place[f.id] = i
		}
	}
	var members []int // those of a database together
	for _, p := range pairs {
		if db, log := place[p[0]], place[p[1]]; db >= 0 && log >= 0 {
			r.taking.Together(p[0], p[1], journals[p[1]])
			members = append(members, db, log)
		}
	}
	r.plan.moveLast(members)
	return nil
}

// moveLast puts some files behind all others, in the order given.
func (p *stagePlan) moveLast(places []int) {
	if len(places) == 0 {
		return
	}
	moved := make(map[int]bool, len(places))
	last := make([]stageFile, 0, len(places))
	for _, i := range places {
		if !moved[i] {
			moved[i] = true
			last = append(last, p.files[i])
		}
	}
	first := make([]stageFile, 0, len(p.files))
	for i, f := range p.files {
		if !moved[i] {
			first = append(first, f)
		}
	}
	p.files = append(first, last...)
}
