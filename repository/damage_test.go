package repository

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// patient is a repository that gets damaged, and a copy of it in another one.
type patient struct {
	m, second *memory.Backend
	r         *Repository // opened when all was well
	versions  map[format.ID]files
	ids       []format.ID
}

// resticPatient is a repository that restic 0.14 made, of three versions, and a
// copy that we made. restic's key costs its time, so it gets a cheap one.
func resticPatient(t *testing.T) *patient {
	t.Helper()
	p := &patient{memoryCopy(t, openLocal(t, "testdata/restic-0.14")), memory.New(), nil, map[format.ID]files{}, nil}
	var err error
	if p.r, err = openTiny(t.Context(), p.m); err != nil {
		t.Fatal(err)
	}
	if _, err := p.r.changePassword(t.Context(), secret.NewRepositoryPassword(testPassword), "test", "test", free); err != nil {
		t.Fatal(err)
	}
	if err := copyAll(t.Context(), initTiny(t, p.second), p.r); err != nil {
		t.Fatal(err)
	}
	all, err := begin(t, p.r, Unlocked).Snapshots(t.Context())
	if err != nil || len(all) != 3 {
		t.Fatal(all, err)
	}
	for i, sn := range all {
		p.versions[sn.ID] = tinyFiles(uint64(i))
		p.ids = append(p.ids, sn.ID)
	}
	return p
}

func (p *patient) clone(t *testing.T) *patient {
	t.Helper()
	c := &patient{p.m.Clone(), p.second.Clone(), nil, p.versions, p.ids}
	c.r = c.open(t)
	return c
}

func (p *patient) open(t *testing.T) *Repository {
	t.Helper()
	r, err := openTiny(t.Context(), p.m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// put stores sealed bytes under the name that they have.
func (p *patient) put(t backend.FileType, sealed []byte) backend.Handle {
	h := backend.Handle{Type: t, Name: format.Hash(sealed).String()}
	p.m.Put(h, sealed)
	return h
}

// change damages a file in place.
func (p *patient) change(h backend.Handle, f func([]byte) []byte) backend.Handle {
	p.m.Put(h, f(p.m.Bytes(h)))
	return h
}

func flip(at func([]byte) int) func([]byte) []byte {
	return func(data []byte) []byte {
		data[at(data)] ^= 0x10
		return data
	}
}

// pack finds the pack of a blob.
func (p *patient) pack(t *testing.T, h format.BlobHandle) (backend.Handle, format.Blob) {
	t.Helper()
	x, err := begin(t, p.r, Unlocked).Index(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e, ok := x.Lookup(h)
	if !ok {
		t.Fatalf("there is no %v", h)
	}
	return backend.Handle{Type: backend.PackFile, Name: x.PackID(e.Pack).String()}, e.Blob
}

// blobOf is the first blob of a file in the newest version.
func (p *patient) blobOf(t *testing.T, name string) format.BlobHandle {
	t.Helper()
	return format.BlobHandle{ID: p.node(t, name).Content[0], Type: format.DataBlob}
}

func (p *patient) node(t *testing.T, name string) *format.Node {
	t.Helper()
	s := begin(t, p.r, Unlocked)
	sn, err := s.FindSnapshot(t.Context(), p.ids[len(p.ids)-1].String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.FS(t.Context(), *sn.Tree).Node(name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// dataPack is the pack of the newest version's files: several blobs, none of them
// in another version.
func (p *patient) dataPack(t *testing.T) backend.Handle {
	h, _ := p.pack(t, p.blobOf(t, "own/a"))
	return h
}

func (p *patient) treePack(t *testing.T) backend.Handle {
	h, _ := p.pack(t, format.BlobHandle{ID: *p.node(t, ".").Subtree, Type: format.TreeBlob})
	return h
}

// index gives the index file that names a pack, and what it says.
func (p *patient) index(t *testing.T, pack backend.Handle) (backend.Handle, []format.PackBlobs) {
	t.Helper()
	for _, h := range p.m.Handles() {
		if h.Type != backend.IndexFile {
			continue
		}
		id, err := format.ParseID(h.Name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := p.r.loadUnpacked(t.Context(), backend.IndexFile, id)
		if err != nil {
			t.Fatal(err)
		}
		var packs []format.PackBlobs
		found := false
		err = format.ScanIndex(text, func(id format.ID, blobs []format.Blob) error {
			packs = append(packs, format.PackBlobs{Pack: id, Blobs: slices.Clone(blobs)})
			found = found || id.String() == pack.Name
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if found {
			return h, packs
		}
	}
	t.Fatalf("no index names %v", pack)
	return backend.Handle{}, nil
}

// tell changes what the index says of a pack; with keep the true index stays too.
func (p *patient) tell(t *testing.T, pack backend.Handle, keep bool, lie func([]format.Blob)) backend.Handle {
	t.Helper()
	h, packs := p.index(t, pack)
	for _, known := range packs {
		if known.Pack.String() == pack.Name {
			lie(known.Blobs)
		}
	}
	if !keep {
		p.m.Put(h, nil)
	}
	return p.put(backend.IndexFile, p.r.key.Seal(nil, format.EncodeUnpacked(nil, format.AppendIndex(nil, packs))))
}

// snapshot stores a tree as it is given, and a snapshot of it.
func (p *patient) snapshot(t *testing.T, tree []byte) backend.Handle {
	t.Helper()
	var id format.ID
	err := within(t.Context(), p.r, Shared, func(s *Session) error {
		w, err := s.Writer(t.Context())
		if err != nil {
			return err
		}
		if id, err = w.SaveBlob(t.Context(), format.TreeBlob, tree); err == nil {
			_, err = w.Commit(t.Context(), &format.Snapshot{Time: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), Tree: &id, Paths: []string{"/made"}})
		}
		return errors.Join(err, w.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
	return backend.Handle{Name: id.String()}
}

// file is a node for a folder made by hand.
func file(name string, content ...format.ID) format.Node {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return format.Node{Name: name, Type: format.NodeFile, Mode: 0o644, ModTime: at, AccessTime: at, ChangeTime: at, Content: content}
}

func encodeTree(t *testing.T, nodes ...format.Node) []byte {
	t.Helper()
	data, err := (&format.Tree{Nodes: nodes}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// addToSecond stores a blob in the second copy alone.
func (p *patient) addToSecond(t *testing.T, data []byte) format.ID {
	t.Helper()
	r, err := openTiny(t.Context(), p.second)
	if err != nil {
		t.Fatal(err)
	}
	var id format.ID
	err = within(t.Context(), r, Shared, func(s *Session) error {
		w, err := s.Writer(t.Context())
		if err != nil {
			return err
		}
		if id, err = w.SaveBlob(t.Context(), format.DataBlob, data); err == nil {
			err = w.Flush(t.Context())
		}
		return errors.Join(err, w.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// ailment is a way of being damaged.
type ailment struct {
	name string
	// damage gives the object that Check has to name.
	damage   func(*testing.T, *patient) backend.Handle
	notice   bool // it is no damage
	byRead   bool // only reading all data finds it
	restic   bool // restic's check finds it too
	forgiven bool // nothing mends it, and everything restores
	// lost is what has to be named when there is no second copy, in lines that each
	// stand in some report; none if all can be saved from what is there.
	lost func(*testing.T, *patient) []string
}

func nothingLost(*testing.T, *patient) []string { return nil }

// lostFiles are blobs of files of the newest version.
func lostFiles(names ...string) func(*testing.T, *patient) []string {
	return func(t *testing.T, p *patient) []string {
		var lost []string
		for _, name := range names {
			lost = append(lost, p.blobOf(t, name).String())
		}
		return lost
	}
}

func lostTree(t *testing.T, p *patient) []string {
	return []string{format.BlobHandle{ID: *p.node(t, ".").Subtree, Type: format.TreeBlob}.String()}
}

var ownFiles = []string{"own/a", "own/b", "own/c", "top.txt"}

var ailments = []ailment{
	{name: "missing data pack", restic: true, lost: lostFiles(ownFiles...), damage: func(t *testing.T, p *patient) backend.Handle {
		h := p.dataPack(t)
		p.m.Put(h, nil)
		return h
	}},
	{name: "missing tree pack", restic: true, lost: lostTree, damage: func(t *testing.T, p *patient) backend.Handle {
		h := p.treePack(t)
		p.m.Put(h, nil)
		return h
	}},
	{name: "missing index", restic: true, lost: nothingLost, damage: func(t *testing.T, p *patient) backend.Handle {
		h, _ := p.index(t, p.treePack(t))
		p.m.Put(h, nil)
		return backend.Handle{Name: p.node(t, ".").Subtree.String()}
	}},
	{name: "all indexes missing", restic: true, lost: nothingLost, damage: func(t *testing.T, p *patient) backend.Handle {
		id := p.node(t, ".").Subtree.String()
		for _, h := range p.m.Handles() {
			if h.Type == backend.IndexFile {
				p.m.Put(h, nil)
			}
		}
		return backend.Handle{Name: id}
	}},
	{name: "bit in a data blob", byRead: true, restic: true, lost: lostFiles("own/b"), damage: func(t *testing.T, p *patient) backend.Handle {
		h, b := p.pack(t, p.blobOf(t, "own/b"))
		return p.change(h, flip(func([]byte) int { return int(b.Offset + b.Length/2) }))
	}},
	{name: "bit in a tree", restic: true, lost: lostTree, damage: func(t *testing.T, p *patient) backend.Handle {
		h, b := p.pack(t, format.BlobHandle{ID: *p.node(t, ".").Subtree, Type: format.TreeBlob})
		p.change(h, flip(func([]byte) int { return int(b.Offset + b.Length/2) }))
		return backend.Handle{Name: b.ID.String()}
	}},
	{name: "bit in a pack's header", byRead: true, restic: true, lost: nothingLost, damage: func(t *testing.T, p *patient) backend.Handle {
		return p.change(p.dataPack(t), flip(func(data []byte) int { return len(data) - 30 }))
	}},
	{name: "bit in a header's length", byRead: true, restic: true, lost: nothingLost, damage: func(t *testing.T, p *patient) backend.Handle {
		return p.change(p.dataPack(t), flip(func(data []byte) int { return len(data) - 2 }))
	}},
	{name: "bit in an index", restic: true, lost: nothingLost, damage: func(t *testing.T, p *patient) backend.Handle {
		h, _ := p.index(t, p.dataPack(t))
		return p.change(h, flip(func(data []byte) int { return len(data) / 2 }))
	}},
	{name: "bit in a snapshot", restic: true, damage: func(_ *testing.T, p *patient) backend.Handle {
		return p.change(backend.Handle{Type: backend.SnapshotFile, Name: p.ids[1].String()}, flip(func(data []byte) int { return len(data) / 2 }))
	}, lost: func(_ *testing.T, p *patient) []string { return []string{"snapshot " + p.ids[1].String()} }},
	{name: "truncated pack", restic: true, damage: func(t *testing.T, p *patient) backend.Handle {
		h, b := p.pack(t, p.blobOf(t, "own/b"))
		return p.change(h, func(data []byte) []byte { return data[:b.Offset+b.Length-1] })
	}, lost: func(t *testing.T, p *patient) []string { // what begins before its end is saved
		h, cut := p.pack(t, p.blobOf(t, "own/b"))
		var lost []string
		for _, name := range ownFiles {
			if in, b := p.pack(t, p.blobOf(t, name)); in == h && b.Offset >= cut.Offset {
				lost = append(lost, b.BlobHandle.String())
			}
		}
		return lost
	}},
	{name: "pack without its last byte", restic: true, lost: nothingLost, damage: func(t *testing.T, p *patient) backend.Handle {
		return p.change(p.dataPack(t), func(data []byte) []byte { return data[:len(data)-1] })
	}},
	{name: "empty pack", restic: true, lost: lostFiles(ownFiles...), damage: func(t *testing.T, p *patient) backend.Handle {
		return p.change(p.dataPack(t), func([]byte) []byte { return []byte{} })
	}},
	{name: "garbage behind a pack", restic: true, lost: nothingLost, damage: func(t *testing.T, p *patient) backend.Handle {
		return p.change(p.dataPack(t), func(data []byte) []byte { return append(data, randomBytes(9, 100)...) })
	}},
	{name: "two indexes disagree", restic: true, lost: nothingLost, damage: func(t *testing.T, p *patient) backend.Handle {
		h := p.dataPack(t)
		p.tell(t, h, true, func(blobs []format.Blob) { blobs[0].ID, blobs[1].ID = blobs[1].ID, blobs[0].ID })
		return h
	}},
	{name: "wrong offset in an index", restic: true, lost: nothingLost, damage: func(t *testing.T, p *patient) backend.Handle {
		h := p.dataPack(t)
		p.tell(t, h, false, func(blobs []format.Blob) { blobs[1].Offset++ })
		return h
	}},
	{name: "swapped blobs in an index", byRead: true, restic: true, lost: nothingLost, damage: func(t *testing.T, p *patient) backend.Handle {
		h := p.dataPack(t)
		p.tell(t, h, false, func(blobs []format.Blob) { blobs[0].ID, blobs[1].ID = blobs[1].ID, blobs[0].ID })
		return h
	}},
	{name: "wrong plaintext length in an index", byRead: true, restic: true, lost: nothingLost, damage: func(t *testing.T, p *patient) backend.Handle {
		h := p.dataPack(t)
		p.tell(t, h, false, func(blobs []format.Blob) {
			for i := range blobs {
				if blobs[i].Compressed() {
					blobs[i].UncompressedLength++
				}
			}
		})
		return h
	}},
	{name: "index of a pack that is nowhere", restic: true, lost: nothingLost, damage: func(t *testing.T, p *patient) backend.Handle {
		id := format.Hash([]byte("nowhere"))
		b := format.Blob{BlobHandle: format.BlobHandle{ID: format.Hash([]byte("no blob"))}, Length: 100}
		p.put(backend.IndexFile, p.r.key.Seal(nil, format.EncodeUnpacked(nil, format.AppendIndex(nil, []format.PackBlobs{{Pack: id, Blobs: []format.Blob{b}}}))))
		return backend.Handle{Type: backend.PackFile, Name: id.String()}
	}},
	{name: "tree that names a missing blob", restic: true, damage: func(t *testing.T, p *patient) backend.Handle {
		data := []byte("only the second copy has it")
		id := p.addToSecond(t, data)
		n := file("lost", id)
		n.Size = uint64(len(data))
		p.snapshot(t, encodeTree(t, n))
		return backend.Handle{Name: id.String()}
	}, lost: func(*testing.T, *patient) []string {
		return []string{format.Hash([]byte("only the second copy has it")).String()}
	}},
	{name: "folder that is not sorted", forgiven: true, lost: nothingLost, damage: func(t *testing.T, p *patient) backend.Handle {
		tree := encodeTree(t, file("a", []format.ID{}...), file("b", []format.ID{}...))
		tree = bytes.Replace(tree, []byte(`"a"`), []byte(`"z"`), 1)
		return p.snapshot(t, tree)
	}},
	{name: "folder that is no JSON", restic: true, forgiven: true, lost: nothingLost, damage: func(t *testing.T, p *patient) backend.Handle {
		return p.snapshot(t, []byte("no tree\n"))
	}},
	{name: "data and trees in one pack", notice: true, forgiven: true, lost: nothingLost, damage: func(t *testing.T, p *patient) backend.Handle {
		return mixedPack(t, p)
	}},
	{name: "pack that no index names", notice: true, lost: nothingLost, damage: func(t *testing.T, p *patient) backend.Handle {
		return p.put(backend.PackFile, []byte("nothing of ours"))
	}},
}

// mixedPack stores a folder and its file in one pack, as old versions of restic
// did, and a snapshot of it.
func mixedPack(t *testing.T, p *patient) backend.Handle {
	t.Helper()
	data := []byte("in a pack with its folder")
	n := file("file", format.Hash(data))
	n.Size = uint64(len(data))
	tree := encodeTree(t, n)
	k := &pack{}
	k.add(format.BlobHandle{ID: format.Hash(data), Type: format.DataBlob}, p.r.key.Seal(nil, data), 0)
	k.add(format.BlobHandle{ID: format.Hash(tree), Type: format.TreeBlob}, p.r.key.Seal(nil, tree), 0)
	id, err := p.r.finish(k)
	if err != nil {
		t.Fatal(err)
	}
	h := p.put(backend.PackFile, k.data)
	p.put(backend.IndexFile, p.r.key.Seal(nil, format.EncodeUnpacked(nil, format.AppendIndex(nil, []format.PackBlobs{{Pack: id, Blobs: k.blobs}}))))
	root := format.Hash(tree)
	text, err := (&format.Snapshot{Time: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Tree: &root, Paths: []string{"/made"}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	p.put(backend.SnapshotFile, p.r.key.Seal(nil, format.EncodeUnpacked(nil, text)))
	return h
}

// diagnose gives what Check says.
func (p *patient) diagnose(t *testing.T, readData bool) (damage, notices []string) {
	t.Helper()
	_, err := begin(t, p.open(t), Unlocked).Check(t.Context(), CheckOptions{ReadData: readData}, func(q Problem) {
		if q.Severity == Damage {
			damage = append(damage, q.Error())
		} else {
			notices = append(notices, q.Error())
		}
	})
	if err != nil {
		t.Errorf("check: %v", err)
	}
	return damage, notices
}

// mend does what the owner would do: the index, the packs, the snapshots. from is
// the second copy or nil. It gives what was said to be lost.
func (p *patient) mend(t *testing.T, from *Session) []string {
	t.Helper()
	var lost []string
	say := func(q Problem) { lost = append(lost, q.Error()) }
	err := within(t.Context(), p.open(t), Exclusive, func(s *Session) error {
		if _, err := s.RebuildIndex(t.Context(), false, func(Problem) {}); err != nil {
			return err
		}
		found, err := s.Check(t.Context(), CheckOptions{ReadData: true}, func(q Problem) {
			// What is missing, only this tells.
			if strings.Contains(q.Err.Error(), "missing") {
				say(q)
			}
		})
		if err != nil {
			return err
		}
		if from != nil {
			lost = nil
		}
		if _, err := s.RepairPacks(t.Context(), found.DamagedPacks, from, say); err != nil {
			return err
		}
		if from == nil {
			_, broken, err := s.ReadableSnapshots(t.Context())
			for id, err := range broken {
				say(Problem{Damage, "snapshot " + id.String(), err})
			}
			return err
		}
		_, err = s.RepairSnapshots(t.Context(), from, say)
		return err
	})
	if err != nil {
		t.Errorf("mend: %v", err)
	}
	return lost
}

// restore compares all versions; files that are lost need not be there.
func (p *patient) restore(t *testing.T, lost []string) {
	t.Helper()
	s := begin(t, p.open(t), Unlocked)
	all, broken, err := s.ReadableSnapshots(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	left := map[format.ID]bool{}
	for _, sn := range all {
		want, ok := p.versions[origin(sn)]
		if !ok {
			continue
		}
		left[origin(sn)] = true
		f := s.FS(t.Context(), *sn.Tree)
		for name, data := range want {
			got, err := readFile(f, name)
			if err != nil {
				if !slices.ContainsFunc(lost, func(l string) bool { return strings.Contains(err.Error(), l) }) {
					t.Errorf("restore %s: %v", name, err)
				}
			} else if !bytes.Equal(got, data) {
				t.Errorf("restore %s: wrong bytes", name)
			}
		}
	}
	for id := range p.versions {
		if !left[id] && (broken[id] == nil || !strings.Contains(strings.Join(lost, "\n"), id.String())) {
			t.Errorf("version %s is gone", id.Short())
		}
	}
}

func readFile(f *FS, name string) ([]byte, error) {
	open, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	var all bytes.Buffer
	_, err = open.(*File).WriteTo(&all)
	return all.Bytes(), err
}

// resticCheck tells whether restic finds the repository whole. It is not waited
// for after its first complaint: it tries for a minute to load what is missing.
func resticCheck(t *testing.T, m *memory.Backend) (string, bool) {
	t.Helper()
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	cmd := exec.CommandContext(ctx, "restic", "--no-cache", "--no-lock", "-r", dump(t, m), "check", "--read-data")
	cmd.Env = append(os.Environ(), "RESTIC_PASSWORD="+testPassword)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	complained := false
	for lines := bufio.NewScanner(out); lines.Scan() && !complained; {
		fmt.Fprintln(&said, lines.Text())
		complained = complaint.MatchString(lines.Text())
	}
	if complained {
		enough()
	}
	err = cmd.Wait()
	return said.String(), err == nil
}

var complaint = regexp.MustCompile(`returned error|does not exist|unexpected file size|Fatal|error for tree|error loading|not found in index`)

// TestAilments damages a repository that restic made in every way: check names
// the object, restic agrees, the repairs mend it from a second copy, and without
// one they save what can be saved and name what is lost.
func TestAilments(t *testing.T) {
	healthy := resticPatient(t)
	if out, ok := resticCheck(t, healthy.m); !ok {
		t.Fatal(out)
	}
	for _, a := range ailments {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			p := healthy.clone(t)
			lost := a.lost(t, p)
			h := a.damage(t, p)
			a.isFound(t, p, h)
			alone := p.clone(t)
			alone.mendAlone(t, a, lost)

			second, err := openTiny(t.Context(), p.second)
			if err != nil {
				t.Fatal(err)
			}
			if said := p.mend(t, begin(t, second, Shared)); len(said) > 0 {
				t.Errorf("with a second copy, said to be lost: %q", said)
			}
			p.restore(t, nil)
			damage, notices := p.diagnose(t, true)
			if a.forgiven {
				return
			}
			if len(damage) > 0 {
				t.Errorf("after the repairs: %q, %q", damage, notices)
			}
			if out, ok := resticCheck(t, p.m); !ok {
				t.Errorf("after the repairs, restic: %s", out)
			}
			if _, err := p.open(t).Prune(t.Context(), PruneOptions{}); err != nil {
				t.Error(err)
			}
			if damage, notices := p.diagnose(t, true); len(damage)+len(notices) > 0 {
				t.Errorf("after the repairs and prune: %q, %q", damage, notices)
			}
			p.restore(t, nil)
		})
	}
}

func (a ailment) isFound(t *testing.T, p *patient, h backend.Handle) {
	t.Helper()
	named := func(said []string) bool {
		return slices.ContainsFunc(said, func(s string) bool {
			return strings.Contains(s, h.Name) && (h.Type == 0 || strings.Contains(s, h.Type.String()))
		})
	}
	damage, notices := p.diagnose(t, true)
	switch {
	case a.notice && (len(damage) > 0 || !named(notices)):
		t.Errorf("check says %q, %q; want a notice of %v", damage, notices, h)
	case !a.notice && !named(damage):
		t.Errorf("check says %q, %q; want damage of %v", damage, notices, h)
	}
	quick, _ := p.diagnose(t, false)
	if found := len(quick) > 0; found == (a.byRead || a.notice) {
		t.Errorf("check without reading data says %q", quick)
	}
	if out, ok := resticCheck(t, p.m); ok == a.restic {
		t.Errorf("restic finds it whole: %v\n%s", ok, out)
	}
}

func (p *patient) mendAlone(t *testing.T, a ailment, lost []string) {
	t.Helper()
	said := strings.Join(p.mend(t, nil), "\n")
	for _, l := range lost {
		if !strings.Contains(said, l) {
			t.Errorf("without a second copy, %s is lost and not named: %s", l, said)
		}
	}
	if len(lost) == 0 && said != "" && !a.forgiven {
		t.Errorf("without a second copy, said to be lost: %s", said)
	}
	p.restore(t, lost)
	damage, _ := p.diagnose(t, true)
	if len(lost) == 0 && len(damage) > 0 && !a.forgiven {
		t.Errorf("without a second copy, after the repairs: %q", damage)
	}
	// The next run stores what it has again, and what is lost is back.
	if slices.ContainsFunc(lost, func(l string) bool { return strings.HasPrefix(l, "snapshot") }) || a.name == "tree that names a missing blob" {
		return
	}
	err := within(t.Context(), p.open(t), Shared, func(s *Session) error {
		_, err := backupFiles(t.Context(), s, tinyFiles(2), time.Now())
		return err
	})
	if err != nil {
		t.Errorf("the next run: %v", err)
	}
}

// A damaged key locks out its own password alone, and is named.
func TestDamagedKey(t *testing.T) {
	p := resticPatient(t)
	own := backend.Handle{Type: backend.KeyFile, Name: p.r.keyID.String()}
	more, err := p.r.addKey(t.Context(), secret.NewRepositoryPassword("more"), "test", "test", free)
	if err != nil {
		t.Fatal(err)
	}
	p.change(own, flip(func(data []byte) int { return len(data) - 20 }))
	if _, err := openTiny(t.Context(), p.m); err == nil || !strings.Contains(err.Error(), own.String()) {
		t.Errorf("open with a damaged key: %v", err)
	}
	r, err := Open(t.Context(), p.m, secret.NewRepositoryPassword("more"), Options{KeyHint: more.ID.Short()})
	if err != nil {
		t.Fatal(err)
	}
	tiny(r)
	var said []string
	if _, err := begin(t, r, Shared).Check(t.Context(), CheckOptions{}, func(q Problem) { said = append(said, fmt.Sprint(q.Severity, " ", q)) }); err != nil {
		t.Fatal(err)
	}
	if len(said) != 1 || !strings.HasPrefix(said[0], "damage "+own.String()) {
		t.Errorf("check of a damaged key says %q", said)
	}
	id, err := format.ParseID(own.Name)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.RemoveKey(t.Context(), id); err != nil {
		t.Error(err)
	}
	if _, err := r.changePassword(t.Context(), secret.NewRepositoryPassword(testPassword), "test", "test", free); err != nil {
		t.Error(err)
	}
	if damage, _ := p.diagnose(t, true); len(damage) > 0 {
		t.Errorf("after the key was made anew: %q", damage)
	}
	if out, ok := resticCheck(t, p.m); !ok {
		t.Error(out)
	}
	p.restore(t, nil)
}

// A repository whose config is damaged or gone opens for nobody, until it gets a
// new one.
func TestDamagedConfig(t *testing.T) {
	healthy := resticPatient(t)
	password := secret.NewRepositoryPassword(testPassword)
	config := backend.Handle{Type: backend.ConfigFile}
	for name, damage := range map[string]func([]byte) []byte{
		"bit": flip(func(data []byte) int { return len(data) / 2 }), "truncated": func(data []byte) []byte { return data[:20] },
		"empty": func([]byte) []byte { return []byte{} }, "gone": func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			p := healthy.clone(t)
			if _, err := RepairConfig(t.Context(), p.m, password, Options{}); err == nil {
				t.Error("a config that is whole is repaired")
			}
			p.change(config, damage)
			_, err := openTiny(t.Context(), p.m)
			if name == "gone" && !errors.Is(err, ErrNoRepository) || name != "gone" && (err == nil || !strings.Contains(err.Error(), "config is damaged")) {
				t.Errorf("open: %v", err)
			}
			if _, err := RepairConfig(t.Context(), p.m, secret.NewRepositoryPassword("wrong"), Options{}); !errors.Is(err, ErrWrongPassword) {
				t.Errorf("repair with a wrong password: %v", err)
			}
			r, err := RepairConfig(t.Context(), p.m, password, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if r.ID() == healthy.r.ID() {
				t.Error("the repository has its old ID")
			}
			if damage, _ := p.diagnose(t, true); len(damage) > 0 || len(lockFiles(p.m)) > 0 {
				t.Errorf("afterwards: %q, locks %v", damage, lockFiles(p.m))
			}
			p.restore(t, nil)
			if name == "gone" {
				if out, ok := resticCheck(t, p.m); !ok {
					t.Error(out)
				}
			}
		})
	}
}

// A mixed pack stays in an index that is made anew, from its header too.
func TestMixedPackSurvivesRebuild(t *testing.T) {
	p := resticPatient(t)
	mixedPack(t, p)
	p.versions = maps.Clone(p.versions)
	p.versions[newest(t, p.r)] = files{"file": []byte("in a pack with its folder")}
	for _, all := range []bool{false, true} {
		err := within(t.Context(), p.open(t), Exclusive, func(s *Session) error {
			_, err := s.RebuildIndex(t.Context(), all, func(q Problem) { t.Error(q) })
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		p.restore(t, nil)
	}
	if _, err := p.open(t).Prune(t.Context(), PruneOptions{}); err != nil {
		t.Error(err)
	}
	p.restore(t, nil)
}

func newest(t *testing.T, r *Repository) format.ID {
	t.Helper()
	sn, err := begin(t, r, Unlocked).FindSnapshot(t.Context(), "latest")
	if err != nil {
		t.Fatal(err)
	}
	return sn.ID
}

// One snapshot that is damaged does not hide the others.
func TestDamagedSnapshotHidesNoOther(t *testing.T) {
	p := resticPatient(t)
	bad := p.change(backend.Handle{Type: backend.SnapshotFile, Name: p.ids[0].String()}, flip(func([]byte) int { return 40 }))
	s := begin(t, p.open(t), Shared)
	wantFiles(t, s, p.ids[2], p.versions[p.ids[2]])
	for _, text := range []string{"latest", p.ids[0].String(), p.ids[0].Short()} {
		if _, err := s.FindSnapshot(t.Context(), text); err == nil || !strings.Contains(err.Error(), bad.String()) {
			t.Errorf("find %q: %v", text, err)
		}
	}
	if _, err := s.Snapshots(t.Context()); err == nil || !strings.Contains(err.Error(), bad.String()) {
		t.Errorf("list: %v", err)
	}
	good, broken, err := s.ReadableSnapshots(t.Context())
	if err != nil || len(good) != 2 || broken[p.ids[0]] == nil {
		t.Errorf("readable: %d, %v, %v", len(good), broken, err)
	}
	if _, err := p.open(t).Prune(t.Context(), PruneOptions{}); err == nil || !strings.Contains(err.Error(), bad.String()) {
		t.Errorf("prune beside a damaged snapshot: %v", err)
	}
}

// Of two copies of a blob, prune does not keep the one whose pack is missing or
// cut off.
func TestPruneKeepsGoodCopies(t *testing.T) {
	for _, damage := range []func([]byte) []byte{func([]byte) []byte { return nil }, func(data []byte) []byte { return data[:len(data)-1] }} {
		p := resticPatient(t)
		h := p.dataPack(t)
		// A second pack with all of it and some that nobody needs: prune would rather
		// keep the first.
		err := within(t.Context(), p.r, Shared, func(s *Session) error {
			w, err := s.Writer(t.Context())
			if err != nil {
				return err
			}
			for _, name := range ownFiles {
				if err = w.put(t.Context(), p.blobOf(t, name), p.versions[p.ids[2]][name]); err != nil {
					return err
				}
			}
			if _, err = w.SaveBlob(t.Context(), format.DataBlob, []byte("waste")); err == nil {
				err = w.Flush(t.Context())
			}
			return errors.Join(err, w.Close())
		})
		if err != nil {
			t.Fatal(err)
		}
		p.change(h, damage)
		before := len(p.m.Handles())
		if _, err := p.open(t).Prune(t.Context(), PruneOptions{}); err == nil || !strings.Contains(err.Error(), h.String()) {
			t.Errorf("prune: %v", err)
		}
		if after := len(p.m.Handles()); after != before {
			t.Errorf("prune changed %d files to %d", before, after)
		}
		p.mend(t, nil)
		if _, err := p.open(t).Prune(t.Context(), PruneOptions{}); err != nil {
			t.Error(err)
		}
		p.restore(t, nil)
	}
}

// Whatever else lies in a folder of a repository is passed over, and stays.
func TestForeignFiles(t *testing.T) {
	p := resticPatient(t)
	dir := dump(t, p.m)
	name := strings.Repeat("a", 64)
	foreign := []string{"README.txt", "data/README", "data/aa/" + name + "-tmp-123", "data/bb/" + name, "data/aa/" + strings.ToUpper(name),
		"index/.DS_Store", "index/" + name + ".part", "snapshots/Thumbs.db", "keys/old", "locks/x", "config-tmp-1"}
	for _, f := range foreign {
		at := filepath.Join(dir, filepath.FromSlash(f))
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte("foreign"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	be, err := local.Open(dir, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := openTiny(t.Context(), be)
	if err != nil {
		t.Fatal(err)
	}
	err = within(t.Context(), r, Shared, func(s *Session) error {
		_, err := backupFiles(t.Context(), s, tinyFiles(9), time.Now())
		return err
	})
	if err == nil {
		err = within(t.Context(), r, Exclusive, func(s *Session) error {
			_, err := s.RebuildIndex(t.Context(), true, func(q Problem) { t.Error(q) })
			return errors.Join(err, s.Forget(t.Context(), p.ids[:1]))
		})
	}
	if err == nil {
		_, err = r.Prune(t.Context(), PruneOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := wantClean(t, r); got.Snapshots != 3 {
		t.Errorf("%d snapshots", got.Snapshots)
	}
	for _, f := range foreign {
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(f))); err != nil {
			t.Error(err)
		}
	}
}

// Where index files disagree about a pack, the one that is read first counts until
// the index is made anew: then the pack's header does.
func TestRebuildIndexAsksThePack(t *testing.T) {
	healthy := resticPatient(t)
	for range 10 { // which is first is left to chance
		p := healthy.clone(t)
		p.tell(t, p.dataPack(t), true, func(blobs []format.Blob) { blobs[0].ID, blobs[1].ID = blobs[1].ID, blobs[0].ID })
		err := within(t.Context(), p.open(t), Exclusive, func(s *Session) error {
			_, err := s.RebuildIndex(t.Context(), false, func(q Problem) { t.Error(q) })
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if damage, notices := p.diagnose(t, true); len(damage)+len(notices) > 0 {
			t.Fatalf("%q, %q", damage, notices)
		}
	}
}

// What index files tell twice is nothing bad, if it is the same.
func TestIndexedTwice(t *testing.T) {
	p := resticPatient(t)
	p.tell(t, p.dataPack(t), true, func([]format.Blob) {})
	if damage, notices := p.diagnose(t, true); len(damage)+len(notices) > 0 {
		t.Errorf("%q, %q", damage, notices)
	}
	if _, err := p.open(t).Prune(t.Context(), PruneOptions{}); err != nil {
		t.Error(err)
	}
	p.restore(t, nil)
}
