package itunesbackup

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
)

// fsIndex finds rows by address: Manifest.db has no index for that before
// iOS 27, and listing one directory through SQL would read whole domains. A row
// costs some 50 bytes and its path.
type fsIndex struct {
	domains []string // sorted
	paths   []byte   // all relative paths, one after the other
	entries []fsEntry
	first   []int // by domain: its first entry; one more at the end
	skipped []*RowError
}

// fsEntry is a row, sorted by domain and path.
type fsEntry struct {
	domain uint32
	offset uint64
	length uint32
	kind   uint8 // Record.Kind
	id     FileID
}

// maxSkipped bounds how many faulty rows are kept to be told.
const maxSkipped = 1000

func buildFSIndex(ctx context.Context, b *Backup) (*fsIndex, error) {
	x := &fsIndex{}
	numbers := map[string]uint32{}
	for r, err := range b.Records(ctx) {
		var rowErr *RowError
		if errors.As(err, &rowErr) {
			if len(x.skipped) < maxSkipped {
				x.skipped = append(x.skipped, rowErr)
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		n, ok := numbers[r.Domain]
		if !ok {
			n = uint32(len(x.domains))
			numbers[strings.Clone(r.Domain)] = n
			x.domains = append(x.domains, strings.Clone(r.Domain))
		}
		x.entries = append(x.entries, fsEntry{n, uint64(len(x.paths)), uint32(len(r.RelativePath)), uint8(r.Kind()), r.ID})
		x.paths = append(x.paths, r.RelativePath...)
	}
	x.sort()
	return x, nil
}

func (x *fsIndex) sort() {
	names := slices.Clone(x.domains)
	slices.Sort(x.domains)
	rank := make([]uint32, len(names))
	for i, name := range names {
		n, _ := slices.BinarySearch(x.domains, name)
		rank[i] = uint32(n)
	}
	for i := range x.entries {
		x.entries[i].domain = rank[x.entries[i].domain]
	}
	slices.SortFunc(x.entries, func(a, b fsEntry) int {
		return cmp.Or(cmp.Compare(a.domain, b.domain), bytes.Compare(x.path(a), x.path(b)))
	})
	x.first = make([]int, len(x.domains)+1)
	for i := len(x.entries) - 1; i >= 0; i-- {
		x.first[x.entries[i].domain] = i
	}
	x.first[len(x.domains)] = len(x.entries)
}

func (x *fsIndex) path(e fsEntry) []byte { return x.paths[e.offset : e.offset+uint64(e.length)] }

// domain gives the entries of a domain, sorted by path.
func (x *fsIndex) domain(name string) []fsEntry {
	n, ok := slices.BinarySearch(x.domains, name)
	if !ok {
		return nil
	}
	return x.entries[x.first[n]:x.first[n+1]]
}

// seek gives the first of entries whose path is not below p.
func (x *fsIndex) seek(entries []fsEntry, p string) int {
	i, _ := slices.BinarySearchFunc(entries, []byte(p), func(e fsEntry, p []byte) int { return bytes.Compare(x.path(e), p) })
	return i
}

// find gives the row of an address.
func (x *fsIndex) find(domain, relativePath string) (FileID, bool) {
	entries := x.domain(domain)
	i := x.seek(entries, relativePath)
	if i == len(entries) || string(x.path(entries[i])) != relativePath {
		return FileID{}, false
	}
	return entries[i].id, true
}

// child is a name in a directory; without a row of its own it is a directory
// known only from what lies in it.
type child struct {
	name string
	kind Flags
}

// isDir tells whether an address without a row is a directory: a domain, or the
// parent of some row.
func (x *fsIndex) isDir(domain, relativePath string) bool {
	entries := x.domain(domain)
	if relativePath == "" {
		return len(entries) > 0
	}
	i := x.seek(entries, relativePath+"/")
	return i < len(entries) && strings.HasPrefix(string(x.path(entries[i])), relativePath+"/")
}

// children lists a directory by name, going over what lies deeper in leaps.
func (x *fsIndex) children(domain, relativePath string) []child {
	entries := x.domain(domain)
	prefix := ""
	if relativePath != "" {
		prefix = relativePath + "/"
	}
	var list []child
	deep := map[string]bool{} // directories seen by what lies in them
	for i := x.seek(entries, prefix); i < len(entries); {
		p := string(x.path(entries[i]))
		rest, ok := strings.CutPrefix(p, prefix)
		if !ok {
			break
		}
		name, _, nested := strings.Cut(rest, "/")
		switch {
		case nested:
			deep[name] = true
			i += x.seek(entries[i:], prefix+name+"0") // "0" follows "/"
		case rest != "":
			list = append(list, child{name, Flags(entries[i].kind)})
			fallthrough
		default:
			i++
		}
	}
	for _, c := range list {
		delete(deep, c.name)
	}
	for name := range deep {
		list = append(list, child{name, FlagDirectory})
	}
	slices.SortFunc(list, func(a, b child) int { return strings.Compare(a.name, b.name) })
	return list
}
