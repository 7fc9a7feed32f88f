package server

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/search"
	"github.com/keepsake-backup/keepsake/server/api"
	"github.com/keepsake-backup/keepsake/service"
)

// KindPath are the parameters of a kind of content of a version.
type KindPath struct {
	VersionPath
	Kind string `path:"kind" maxLength:"40"`
}

func (a *apiRoutes) contentOperations() {
	svc := a.rt.o.Service
	const base = "/phones/{udid}/versions/{id}/content"
	handle(a, operation{method: "GET", path: base, id: "kinds", summary: "Which kinds of content a version has", tag: "content", scope: scopeRead, covers: "Kinds"},
		func(ctx context.Context, who service.Who, in *struct{ VersionPath }) (*body[api.ContentKinds], error) {
			all, err := svc.Kinds(ctx, who, in.UDID, in.ID)
			return bodyOf(api.ContentKinds{Kinds: each(all, wireKind)}), err
		})
	handle(a, operation{method: "GET", path: "/phones/{udid}/search", id: "searchContent", summary: "Find what was written, in one version or in all", tag: "content", scope: scopeRead, covers: "SearchContent"},
		func(ctx context.Context, who service.Who, in *struct {
			PhonePath
			Q       string `query:"q" required:"true" minLength:"1" maxLength:"500" doc:"Words that all have to be there; \"in quotes\" next to each other; -word must not be there"`
			Kind    string `query:"kind" maxLength:"40" doc:"Only this kind"`
			Version string `query:"version" maxLength:"64" doc:"Only this version; else all of them"`
			After   string `query:"after" maxLength:"1024" doc:"What next was in the page before"`
			Limit   int    `query:"limit" minimum:"0" maximum:"500" doc:"0 is 50"`
		}) (*body[api.Found], error) {
			f, err := svc.SearchContent(ctx, who, in.UDID, service.ContentQuery{Text: in.Q, Kind: in.Kind, Version: in.Version, After: in.After, Limit: in.Limit})
			x := f.Index
			return bodyOf(api.Found{Hits: each(f.Hits, wireHit), Next: f.Next, Index: api.FoundIndex{Ready: x.Ready, Of: x.Of, Sealed: x.Sealed, Making: x.Making, Text: x.Text, Error: x.Err}}), err
		})
	handle(a, operation{method: "GET", path: "/phones/{udid}/versions/{id}/changes", id: "compareVersions", summary: "What has changed since an earlier version", tag: "content", scope: scopeRead, covers: "CompareVersions"},
		func(ctx context.Context, who service.Who, in *struct {
			VersionPath
			From string `query:"from" maxLength:"64" doc:"The earlier version; else the one before"`
		}) (*body[api.Changes], error) {
			c, err := svc.CompareVersions(ctx, who, in.UDID, in.From, in.ID)
			return bodyOf(api.Changes{Changes: c}), err
		})
	handle(a, operation{method: "GET", path: base + "/{kind}/groups", id: "groups", summary: "Albums, conversations, calendars: what records of a kind lie in", tag: "content", scope: scopeRead, covers: "Groups"},
		func(ctx context.Context, who service.Who, in *struct{ KindPath }) (*body[api.ContentGroups], error) {
			all, err := svc.Groups(ctx, who, in.UDID, in.ID, in.Kind)
			return bodyOf(api.ContentGroups{Groups: each(all, wireGroup)}), err
		})
	handle(a, operation{method: "GET", path: base + "/{kind}", id: "records", summary: "Records of a kind, a page of them", tag: "content", scope: scopeRead, covers: "Records"},
		func(ctx context.Context, who service.Who, in *struct {
			KindPath
			Table string `query:"table" maxLength:"100"`
			Group string `query:"group" maxLength:"4096" doc:"Only in the group with this key"`
			Key   string `query:"key" maxLength:"4096" doc:"Only the record with this key"`
			Order string `query:"order" enum:"newest,natural" default:"newest"`
			Skip  int    `query:"skip" minimum:"0" doc:"Leave out so many"`
			Limit int    `query:"limit" minimum:"0" maximum:"500" doc:"0 is the most"`
		}) (*body[api.ContentRecords], error) {
			page, err := svc.Records(ctx, who, in.UDID, in.ID, in.Kind, extract.Query{Table: in.Table, Group: in.Group, Key: in.Key, Skip: in.Skip, Limit: in.Limit, Newest: in.Order != "natural"})
			return bodyOf(api.ContentRecords{Records: each(page.Records, wireRecord), Next: page.Next, Problems: page.Problems, MoreProblems: page.More}), err
		})
	handle(a, operation{method: "GET", path: base + "/{kind}/preview", id: "preview", summary: "A small picture of a record", tag: "content", scope: scopeRead, covers: "Preview"},
		func(context.Context, service.Who, *struct {
			KindPath
			Key string `query:"key" required:"true" minLength:"1" maxLength:"4096"`
		}) (*huma.StreamResponse, error) {
			return a.raw(a.rt.preview), nil
		})
	handle(a, operation{method: "GET", path: base + "/{kind}/extract", id: "extract", summary: "A kind as files that other programs read, in a ZIP", tag: "content", scope: scopeRead, covers: "Extract"},
		func(context.Context, service.Who, *struct {
			KindPath
			Format string `query:"format" maxLength:"40" doc:"One of the kind's formats; empty is the usual one"`
			Group  string `query:"group" maxLength:"4096" doc:"Only what lies in the group with this key"`
			Layout string `query:"layout" enum:"date,album" default:"date" doc:"Folders of photos"`
		}) (*huma.StreamResponse, error) {
			return a.raw(a.rt.extractContent), nil
		})
}

func wireKind(k service.ContentKind) api.ContentKind {
	return api.ContentKind{Kind: k.Kind, Title: k.Title, State: string(k.State), Error: k.Why, Groups: k.Info.Groups, Previews: k.Previews,
		Tables: each(k.Tables, func(t extract.Table) api.ContentTable {
			return api.ContentTable{Name: t.Name, Title: t.Title, Columns: t.Columns}
		}),
		Formats: each(k.Formats, func(f extract.Format) string { return f.Name })}
}

func wireHit(h *search.Hit) api.Hit {
	in := h.InVersions
	if in == nil {
		in = []string{}
	}
	return api.Hit{Kind: h.Kind, Table: h.Table, Key: h.Key, Title: h.Title, Detail: h.Detail, Time: h.Time, Group: h.Group, Deleted: h.Deleted, Snippet: h.Snippet.Text,
		InVersions: in, FirstVersion: h.FirstVersion, LastVersion: h.LastVersion, Changed: h.Changed, Gone: h.Gone, GoneSince: h.GoneSince, Doubtful: h.Doubtful}
}

func wireGroup(g extract.Group) api.ContentGroup {
	return api.ContentGroup{Key: g.Key, Title: g.Title, Detail: g.Detail, Parent: g.Parent, Count: g.Count, Time: g.Time, Deleted: g.Deleted}
}

func wireRecord(r extract.Record) api.ContentRecord {
	e := r.Entry()
	return api.ContentRecord{Table: e.Table, Key: e.Key, Title: e.Title, Detail: e.Detail, Time: e.Time, Group: e.Group, Files: e.Files, Deleted: e.Deleted, Hidden: e.Hidden, Record: r}
}
