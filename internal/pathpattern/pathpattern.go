// Package pathpattern matches paths against the patterns that people give to
// leave things out of a backup or to pick things from one. The rules are those
// of restic's --exclude and --include:
//
//	*.tmp             a name, at any depth
//	node_modules/x    names that follow one another, at any depth
//	/home/*/Cache     from the root on
//	/srv/**/*.iso     ** stands for any number of folders, none included
//	!keep.tmp         takes back what an earlier pattern matched
//
// Between slashes the rules of path.Match hold: * ? [a-z] and \ to quote.
// What lies below a match matches too.
package pathpattern

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// List is some patterns in the order they were given. The zero value matches
// nothing. It is safe for concurrent use.
type List struct {
	patterns   []pattern
	ignoreCase bool
}

type pattern struct {
	parts    []part
	absolute bool // begins at the root
	negated  bool
}

type part struct {
	text    string
	literal bool // no character of it is special
	deep    bool // **
}

// Parse reads patterns. Slashes are the separator on every system. An error
// names the pattern that is malformed.
func Parse(texts []string, ignoreCase bool) (List, error) {
	l := List{ignoreCase: ignoreCase}
	for _, text := range texts {
		p, err := parse(text, ignoreCase)
		if err != nil {
			return List{}, fmt.Errorf("parse pattern %q: %w", text, err)
		}
		l.patterns = append(l.patterns, p)
	}
	return l, nil
}

func parse(text string, ignoreCase bool) (pattern, error) {
	var p pattern
	text, p.negated = strings.CutPrefix(text, "!")
	p.absolute = strings.HasPrefix(text, "/")
	if ignoreCase {
		text = strings.ToLower(text)
	}
	text = strings.Trim(path.Clean(text), "/")
	if text == "" && p.absolute {
		return p, nil // the root, and so everything
	}
	if text == "" || text == "." {
		return p, fmt.Errorf("it is empty")
	}
	for s := range strings.SplitSeq(text, "/") {
		if _, err := path.Match(s, ""); err != nil {
			return p, err
		}
		next := part{text: s, literal: !strings.ContainsAny(s, `*?[\`), deep: s == "**"}
		if next.deep && len(p.parts) > 0 && p.parts[len(p.parts)-1].deep {
			continue
		}
		p.parts = append(p.parts, next)
	}
	return p, nil
}

// Empty tells whether there are no patterns.
func (l List) Empty() bool { return len(l.patterns) == 0 }

// Split gives the components of a slash path, as Match wants them.
func Split(p string) []string {
	p = strings.Trim(p, "/")
	if p == "" {
		return nil
	}
	return strings.Split(p, "/")
}

// Match tells whether the list matches the path with these components, counted
// from the root. The last pattern that has something to say about it decides.
func (l List) Match(components []string) bool {
	components = l.fold(components)
	matched := false
	for _, p := range l.patterns {
		if matched == p.negated && p.match(components) {
			matched = !p.negated
		}
	}
	return matched
}

// MayMatchBelow tells whether the list could match something below the folder
// with these components. It errs on the side of true.
func (l List) MayMatchBelow(components []string) bool {
	components = l.fold(components)
	for _, p := range l.patterns {
		if !p.negated && p.mayMatchBelow(components) {
			return true
		}
	}
	return false
}

func (l List) fold(components []string) []string {
	if !l.ignoreCase {
		return components
	}
	components = slices.Clone(components)
	for i, c := range components {
		components[i] = strings.ToLower(c)
	}
	return components
}

func (p pattern) match(components []string) bool {
	if p.absolute {
		return prefix(p.parts, components)
	}
	for i := range components {
		if prefix(p.parts, components[i:]) {
			return true
		}
	}
	return false
}

// prefix tells whether parts match the beginning of components. Of several **
// only the last one needs to be tried again, as with * in names.
func prefix(parts []part, components []string) bool {
	i, j := 0, 0
	retry, from := -1, 0 // the part after the last **, and where it was tried last
	for i < len(parts) {
		switch {
		case parts[i].deep:
			i++
			retry, from = i, j
		case j < len(components) && parts[i].match(components[j]):
			i, j = i+1, j+1
		case retry >= 0 && from < len(components):
			from++
			i, j = retry, from
		default:
			return false
		}
	}
	return true
}

func (p pattern) mayMatchBelow(components []string) bool {
	if !p.absolute {
		return true
	}
	for i, q := range p.parts {
		if q.deep || i == len(components) {
			return true
		}
		if !q.match(components[i]) {
			return false
		}
	}
	return true
}

func (q part) match(name string) bool {
	if q.literal {
		return q.text == name
	}
	ok, err := path.Match(q.text, name)
	return ok && err == nil // Parse has refused what is malformed
}
