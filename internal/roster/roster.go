// Package roster remembers in a store which repositories it holds, for stores
// that cannot tell what folders there are.
//
// A location (design.md 8) is a place with one repository for each phone:
//
//	<location>/<UDID>/config, keys/, data/ …     a phone's repository
//	<location>/keepsake-phones/index/<SHA-256>   one small file for each of them
//
// A backend lists the files of a repository and nothing else, and restic's REST
// protocol could not list folders if it wanted to. So every member of a
// location that is not a folder of this computer has a file in a place of its
// own, which looks to the backend like a repository without a config:
//
//	{"keepsake_member":1,"name":"00008101-000A1B2C3D4E001E"}
//
// It is named by its SHA-256, as every file of a backend is: to add a member
// twice, also at the same time from two stations, is to write the same file
// twice. It tells the provider of the store nothing that the folder's name
// beside it does not.
package roster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// Folder is the name of the roster's own place in a location.
const Folder = "keepsake-phones"

const (
	// maxEntry bounds the file of a member, in bytes.
	maxEntry = 1 << 10
	// maxMembers bounds how many are read: each costs a request.
	maxMembers = 10_000
)

type entry struct {
	Version int    `json:"keepsake_member"` // 1
	Name    string `json:"name"`            // of the folder
}

// Members lists the members of a location, sorted. be is the roster's place in
// it. A place that is not there has none. Names come from the store: whoever
// uses them as a path looks at them first. Files that are no member's are
// passed over, damaged ones are an error.
func Members(ctx context.Context, be backend.Backend) ([]string, error) {
	var files []backend.FileInfo
	err := be.List(ctx, backend.IndexFile, func(f backend.FileInfo) error {
		if len(files) == maxMembers {
			return fmt.Errorf("more than %d members", maxMembers)
		}
		files = append(files, f)
		return nil
	})
	if errors.Is(err, backend.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the members of a location: %w", err)
	}
	var names []string
	for _, f := range files {
		data, err := backend.ReadAll(ctx, be, backend.Handle{Type: backend.IndexFile, Name: f.Name}, maxEntry)
		if err != nil {
			return nil, fmt.Errorf("list the members of a location: %w", err)
		}
		if format.Hash(data).String() != f.Name {
			return nil, fmt.Errorf("list the members of a location: file %s is damaged", f.Name)
		}
		var e entry
		if json.Unmarshal(data, &e) == nil && e.Version == 1 && e.Name != "" {
			names = append(names, e.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Add makes name a member of the location whose roster's place be is. A name
// that is one already is a success.
func Add(ctx context.Context, be backend.Backend, name string) error {
	data, err := json.Marshal(entry{1, name})
	if err != nil {
		return fmt.Errorf("add %s to a location: %w", name, err)
	}
	h := backend.Handle{Type: backend.IndexFile, Name: format.Hash(data).String()}
	if _, err := be.Stat(ctx, h); err == nil {
		return nil
	}
	if c, ok := backend.As[backend.Creator](be); ok {
		if err := c.Create(ctx); err != nil {
			return fmt.Errorf("add %s to a location: %w", name, err)
		}
	}
	if err := be.Save(ctx, h, bytes.NewReader(data)); err != nil {
		return fmt.Errorf("add %s to a location: %w", name, err)
	}
	return nil
}
