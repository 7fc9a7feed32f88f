package apps

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// Formats implements extract.Exporter. The files of all apps are about the whole
// backup, so they are not what people get unless they ask.
func (*Reader) Formats() []extract.Format {
	return []extract.Format{{Name: "list", Title: "List with sizes (.txt)"}, {Name: "files", Title: "Every file as it is, in a folder for each app"}}
}

// Export implements extract.Exporter. Links are left out: they hold nothing.
func (*Reader) Export(ctx context.Context, src *extract.Source, o extract.ExportOptions, out *outtree.Tree, rep extract.Reporter) error {
	list, err := choose(ctx, src, o.Query)
	if err != nil {
		return err
	}
	if o.Format == "list" {
		return writeList(ctx, src, list, o.Query, out, rep)
	}
	for _, a := range list {
		for i := range a.Domains {
			d := &a.Domains[i]
			err := walk(ctx, src, d.Name, rep, func(p string, e fs.DirEntry) error {
				return put(ctx, src, append([]string{"Apps"}, a.at(d)...), d, p, e, out, rep)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// put writes one file. What cannot be read is reported, what cannot be written ends
// the export.
func put(ctx context.Context, src *extract.Source, folder []string, d *Domain, p string, e fs.DirEntry, out *outtree.Tree, rep extract.Reporter) error {
	if !e.Type().IsRegular() {
		return nil
	}
	info, err := e.Info()
	if err == nil {
		f := outtree.File{Path: append(folder, below(p, d.Name)...), Key: "apps/" + p, Stamp: outtree.StampOf(info), ModTime: info.ModTime()}
		_, err = out.Put(ctx, f, outtree.Copy(src.FS, p))
	}
	if host := (*outtree.HostError)(nil); err == nil || ctx.Err() != nil || errors.As(err, &host) {
		return err
	}
	rep.Report(&extract.Problem{What: p, Err: err})
	return nil
}

// below are the names of a path in a domain.
func below(p, domain string) []string { return strings.Split(strings.TrimPrefix(p, domain+"/"), "/") }

// writeList writes apps and what they take as a text.
func writeList(ctx context.Context, src *extract.Source, list []*App, q extract.Query, out *outtree.Tree, rep extract.Reporter) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "App\tVersion\tFiles\tSize\tBundle ID\n")
	for _, a := range list {
		if err := a.count(ctx, src, rep); err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", strings.Join(strings.Fields(a.Name), " "), a.Version, humanize.Comma(a.Files), humanize.Bytes(uint64(max(a.Bytes, 0))), a.BundleID)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(b.String()))
	f := outtree.File{Path: []string{"Apps", "Apps.txt"}, Key: path.Join("apps/list", q.Table, q.Key), Stamp: hex.EncodeToString(sum[:8]), ModTime: src.Device.Time, Document: true}
	_, err := out.Put(ctx, f, func(w io.Writer) error {
		_, err := io.WriteString(w, b.String())
		return err
	})
	return err
}

// Files implements extract.Filer.
func (*Reader) Files(ctx context.Context, src *extract.Source, give func(extract.File) error) error {
	list, err := scan(ctx, src)
	if err != nil {
		return err
	}
	for _, a := range list {
		for i := range a.Domains {
			d := &a.Domains[i]
			folder := a.at(d)
			failed := &firstProblem{}
			err := walk(ctx, src, d.Name, failed, func(p string, e fs.DirEntry) error {
				if !e.Type().IsRegular() {
					return nil
				}
				return give(extract.File{Path: append(folder[:len(folder):len(folder)], below(p, d.Name)...), Origin: p})
			})
			if err == nil && failed.first != nil {
				err = failed.first
			}
			if err != nil {
				return extract.Done(err)
			}
		}
	}
	return nil
}

// firstProblem keeps the first problem.
type firstProblem struct{ first error }

func (f *firstProblem) Report(p *extract.Problem) {
	if f.first == nil {
		f.first = p
	}
}

// Branches implements friendly.Brancher: what [Reader.Files] gives, without listing
// it.
func (*Reader) Branches(ctx context.Context, src *extract.Source, give func([]string, string) error) error {
	list, err := scan(ctx, src)
	if err != nil {
		return err
	}
	for _, a := range list {
		for i := range a.Domains {
			d := &a.Domains[i]
			if err := give(a.at(d), d.Name); err != nil {
				return err
			}
		}
	}
	return nil
}
