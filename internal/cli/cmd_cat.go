package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// catTypes are the objects that cat shows, and the files that hold them.
var catTypes = map[string]backend.FileType{"index": backend.IndexFile, "snapshot": backend.SnapshotFile, "key": backend.KeyFile, "pack": backend.PackFile, "lock": backend.LockFile}

func newCat(a *app) *cobra.Command {
	var in contentFlags
	var filter snapshotFilter
	c := &cobra.Command{
		Use:   "cat (SNAPSHOT PATH | --folder DIR PATH | OBJECT [ID])",
		Short: "Show a file of a backup, or an object of a repository, as it is",
		Long: `Show a file of a snapshot, or of the backup in an iTunes folder, as "keepsake dump" does.

Or show an object of a repository. OBJECT is config, index, snapshot, key, pack, blob, tree or lock: its config, an index, snapshot, lock or folder (tree) as JSON, a key
file as it lies there, a blob (piece of a file) decrypted, a pack as it is stored.

ID is the beginning of one; for a blob or a tree all 64 digits, except that "cat tree" also takes a snapshot:
its ID, or latest, and a path behind a colon.

The master key, which restic can show, is never shown: whoever has it can read everything, for ever, whatever
passwords are changed.`,
		Example: `  keepsake cat latest /00008101-000A1B2C3D4E001E/HomeDomain/Library/Preferences/com.apple.springboard.plist
  keepsake cat config -r /mnt/disk/phone
  keepsake cat snapshot latest
  keepsake cat tree latest:/00008101-000A1B2C3D4E001E
  keepsake cat blob 0c3ef8…  > piece`,
		Args:        cobra.ArbitraryArgs,
		Annotations: exits(repositoryExits),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case in.folder != "" && len(args) != 1:
				return usageOf(cmd, errors.New("cat --folder: say which path"))
			case in.folder != "":
				return a.dumpOfFolder(cmd, &in, args)
			case len(args) == 2 && !isObject(args[0]):
				return a.dumpOfSnapshot(cmd, &filter, args)
			}
			if err := checkCat(cmd, args); err != nil {
				return err
			}
			return a.withSessions(cmd, catWish(args), repository.Shared, func(ctx context.Context, s *repository.Session) error {
				return a.cat(ctx, s, args[0], args[1:])
			})
		},
	}
	in.addFlags(c)
	return a.repositoryCommand(c)
}

// isObject tells whether cat takes a word for an object of a repository, rather than
// for the beginning of a snapshot's ID.
func isObject(word string) bool {
	_, isFile := catTypes[word]
	return isFile || slices.Contains([]string{"masterkey", "config", "blob", "tree"}, word)
}

// catWish: what names a snapshot tells which repository of a location is meant.
func catWish(args []string) wish {
	if args[0] == "snapshot" || args[0] == "tree" && (len(args[1]) < 2*len(format.ID{}) || strings.Contains(args[1], ":")) {
		return wish{snapshots: args[1:]}
	}
	return wish{}
}

func checkCat(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageOf(cmd, errors.New("cat: say what"))
	}
	want := 1
	switch {
	case args[0] == "masterkey":
		return &usageError{errors.New("cat masterkey: it is never shown"), "whoever has it can read everything, whatever passwords are changed; to open the repository elsewhere, give it another password: keepsake key add"}
	case args[0] == "config":
		want = 0
	case !isObject(args[0]):
		return usageOf(cmd, fmt.Errorf("cat: %q is none of config, index, snapshot, key, pack, blob, tree, lock", args[0]))
	}
	if len(args) != 1+want {
		err := fmt.Errorf("cat %s: %d IDs, want %d", args[0], len(args)-1, want)
		if folder := map[string]string{"index": "index", "key": "keys", "lock": "locks", "pack": "data"}[args[0]]; folder != "" {
			return &usageError{err, fmt.Sprintf("an ID is the name of a file in the repository's folder %q, or the beginning of it", folder)}
		}
		if args[0] == "snapshot" {
			return &usageError{err, "\"keepsake snapshots\" lists them; or latest"}
		}
		return usageOf(cmd, err)
	}
	return nil
}

func (a *app) cat(ctx context.Context, s *repository.Session, what string, args []string) error {
	switch what {
	case "config":
		config := s.Repository().Config()
		data, err := config.Encode()
		if err != nil {
			return err
		}
		return a.showJSON(data)
	case "blob":
		return a.catBlob(ctx, s, args[0])
	case "tree":
		return a.catTree(ctx, s, args[0])
	case "snapshot":
		if args[0] == "latest" {
			all, err := s.Snapshots(ctx)
			if err != nil {
				return err
			}
			sn, err := newest(all)
			if err != nil {
				return err
			}
			args[0] = sn.ID.String()
		}
	}
	return a.catFile(ctx, s.Repository(), catTypes[what], args[0])
}

// catFile shows a file: opened if it is sealed, but for packs.
func (a *app) catFile(ctx context.Context, r *repository.Repository, t backend.FileType, prefix string) error {
	id, err := findFile(ctx, r.Backend(), t, prefix)
	if err != nil {
		return err
	}
	h := backend.Handle{Type: t, Name: id.String()}
	switch t {
	case backend.PackFile:
		return a.binary(func(w io.Writer) error {
			return r.Backend().Load(ctx, h, 0, 0, func(r io.Reader) error {
				_, err := io.Copy(w, r)
				return err
			})
		})
	case backend.KeyFile:
		data, err := backend.ReadAll(ctx, r.Backend(), h, 64<<10)
		if err != nil {
			return err
		}
		return a.showJSON(data)
	}
	data, err := r.ReadFile(ctx, t, id)
	if err != nil {
		return err
	}
	return a.showJSON(data)
}

// findFile finds a file by the beginning of its ID.
func findFile(ctx context.Context, be backend.Backend, t backend.FileType, prefix string) (format.ID, error) {
	if id, err := format.ParseID(prefix); err == nil {
		return id, nil
	}
	var found []string
	err := be.List(ctx, t, func(f backend.FileInfo) error {
		if prefix != "" && strings.HasPrefix(f.Name, prefix) {
			found = append(found, f.Name)
		}
		return nil
	})
	switch {
	case err != nil:
		return format.ID{}, err
	case len(found) == 0:
		return format.ID{}, fmt.Errorf("find %v: none begins with %q", t, prefix)
	case len(found) > 1:
		slices.Sort(found)
		return format.ID{}, &hintError{err: fmt.Errorf("find %v: %d begin with %q", t, len(found), prefix), hint: "give more digits: " + found[0] + ", " + found[1]}
	}
	return format.ParseID(found[0])
}

func (a *app) catBlob(ctx context.Context, s *repository.Session, text string) error {
	id, err := format.ParseID(text)
	if err != nil {
		return &usageError{fmt.Errorf("cat blob %s: %w", text, err), "a blob is named by all 64 digits"}
	}
	for _, t := range format.BlobTypes {
		data, err := s.Blob(ctx, format.BlobHandle{ID: id, Type: t}, nil)
		if missing := (*repository.MissingError)(nil); errors.As(err, &missing) && t == format.DataBlob {
			continue
		}
		if err != nil {
			return err
		}
		return a.binary(func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		})
	}
	return nil
}

// catTree shows a folder: by its ID, or by a snapshot and a path.
func (a *app) catTree(ctx context.Context, s *repository.Session, text string) error {
	id, err := format.ParseID(text)
	if err == nil {
		if _, err := s.BlobSize(ctx, format.BlobHandle{ID: id, Type: format.TreeBlob}); err == nil {
			return a.catFolder(ctx, s, id)
		}
	}
	name, path := splitSnapshot(text)
	list, err := (&snapshotFilter{}).choose(ctx, s, []string{name})
	if err != nil {
		return err
	}
	id = *list[0].Tree
	for part := range strings.SplitSeq(path, "/") {
		if part == "" {
			continue
		}
		t, err := s.Tree(ctx, id)
		if err != nil {
			return err
		}
		n, ok := t.Find(part)
		if !ok || n.Subtree == nil {
			return fmt.Errorf("cat tree %s: there is no folder %q", text, part)
		}
		id = *n.Subtree
	}
	return a.catFolder(ctx, s, id)
}

func (a *app) catFolder(ctx context.Context, s *repository.Session, id format.ID) error {
	data, err := s.Blob(ctx, format.BlobHandle{ID: id, Type: format.TreeBlob}, nil)
	if err != nil {
		return err
	}
	return a.showJSON(data)
}

// showJSON shows a document: laid out for people, on one line with --json.
func (a *app) showJSON(data []byte) error {
	if a.json {
		a.emit(json.RawMessage(data))
		return nil
	}
	var laidOut bytes.Buffer
	if err := json.Indent(&laidOut, bytes.TrimSpace(data), "", "  "); err != nil {
		return fmt.Errorf("show JSON: %w", err)
	}
	a.printf("%s\n", &laidOut)
	return nil
}

// binary writes bytes as they are, but not onto a terminal.
func (a *app) binary(write func(io.Writer) error) error {
	if _, isTerminal := terminal(a.Stdout); isTerminal {
		return &usageError{errors.New("cat: the bytes would disturb the terminal"), "send them into a file: … > FILE"}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return write(a.Stdout)
}
