package server

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/server/api"
	"github.com/keepsake-backup/keepsake/service"
)

// started is the answer of what starts a job.
func started(job int64, err error) (*body[api.Started], error) {
	return bodyOf(api.Started{Job: job}), err
}

func (a *apiRoutes) doOperations() {
	svc := a.rt.o.Service
	handle(a, operation{method: "POST", path: "/phones/{udid}/backup", id: "back-up", summary: "Back up now", tag: "phones", scope: scopeBackup, covers: "BackUp"},
		func(ctx context.Context, who service.Who, in *struct {
			PhonePath
			Body api.Backup
		}) (*body[api.Started], error) {
			return started(svc.BackUp(ctx, who, in.UDID, in.Body.Full))
		})
	handle(a, operation{method: "POST", path: "/phones/{udid}/media", id: "copy-media", summary: "Copy music and pictures now", tag: "phones", scope: scopeBackup, covers: "CopyMedia"},
		func(ctx context.Context, who service.Who, in *PhonePath) (*body[api.Started], error) {
			return started(svc.CopyMedia(ctx, who, in.UDID))
		})
	handle(a, operation{method: "POST", path: "/phones/{udid}/pair", id: "pair", summary: "Pair it, and make it yours if it is nobody's", tag: "phones", scope: scopeAdmin, covers: "Pair"},
		func(ctx context.Context, who service.Who, in *PhonePath) (*body[api.Started], error) {
			return started(svc.Pair(ctx, who, in.UDID))
		})
	handle(a, operation{method: "POST", path: "/phones/{udid}/encryption", id: "set-encryption", summary: "Switch encryption of its backups on or off, or change the backup password", tag: "phones", scope: scopeAdmin, fresh: true, covers: "SetEncryption"},
		func(ctx context.Context, who service.Who, in *struct {
			PhonePath
			Body api.Encryption
		}) (*body[api.Started], error) {
			return started(svc.SetEncryption(ctx, who, in.UDID, secret.NewBackupPassword(in.Body.Old), secret.NewBackupPassword(in.Body.New)))
		})
	handle(a, operation{method: "POST", path: "/phones/{udid}/rehearse", id: "rehearse", summary: "Restore a version onto a virtual phone, to prove it", tag: "versions", scope: scopeBackup, covers: "Rehearse"},
		func(ctx context.Context, who service.Who, in *struct {
			PhonePath
			Body api.Rehearse
		}) (*body[api.Started], error) {
			return started(svc.Rehearse(ctx, who, in.UDID, in.Body.Version))
		})
	handle(a, operation{method: "POST", path: "/phones/{udid}/check", id: "check", summary: "Read what is stored of it and verify it", tag: "versions", scope: scopeBackup, covers: "Check"},
		func(ctx context.Context, who service.Who, in *PhonePath) (*body[api.Started], error) {
			return started(svc.Check(ctx, who, in.UDID))
		})
	handle(a, operation{method: "POST", path: "/targets/{name}/copy", id: "copy", summary: "Copy what a target lacks", tag: "targets", scope: scopeBackup, covers: "Copy"},
		func(ctx context.Context, who service.Who, in *targetIn) (*body[api.Started], error) {
			return started(svc.Copy(ctx, who, in.Name))
		})
	handle(a, operation{method: "POST", path: "/signal/{udid}", id: "signal", summary: "Say that the phone is in its owner's hand, as an iOS Shortcut does; a backup starts if one is due", tag: "phones", scope: scopeSignal, covers: "Signal"},
		func(ctx context.Context, who service.Who, in *PhonePath) (*body[api.Answer], error) {
			text, err := svc.Signal(ctx, who, in.UDID)
			return bodyOf(api.Answer{Text: text}), err
		})
	a.restoreOperations()
}

func (a *apiRoutes) restoreOperations() {
	svc := a.rt.o.Service
	handle(a, operation{method: "POST", path: "/preflight", id: "preflight", summary: "Find out whether a restore can be done, without doing it", tag: "restore", scope: scopeAdmin, covers: "Preflight"},
		func(ctx context.Context, who service.Who, in *struct{ Body api.Restore }) (*body[api.Preflight], error) {
			p, err := svc.Preflight(ctx, who, restoreOf(in.Body))
			return bodyOf(wirePreflight(p)), err
		})
	handle(a, operation{method: "POST", path: "/restores", id: "restore", summary: "Restore a version onto a phone", tag: "restore", scope: scopeAdmin, fresh: true, covers: "Restore"},
		func(ctx context.Context, who service.Who, in *struct{ Body api.Restore }) (*body[api.Started], error) {
			return started(svc.Restore(ctx, who, restoreOf(in.Body), secret.NewBackupPassword(in.Body.Password)))
		})
}

func (a *apiRoutes) browseOperations() {
	svc := a.rt.o.Service
	handle(a, operation{method: "GET", path: "/phones/{udid}/versions/{id}/files", id: "list", summary: "A folder of a version", tag: "versions", scope: scopeRead, covers: "List"},
		func(ctx context.Context, who service.Who, in *struct {
			VersionPath
			PageQuery
			Path string `query:"path" maxLength:"4096" doc:"Empty is the top, with an entry for each app and domain"`
		}) (*body[api.Listing], error) {
			l, err := svc.List(ctx, who, in.UDID, in.ID, in.Path, in.After, in.Limit)
			return bodyOf(wireListing(l)), err
		})
	handle(a, operation{method: "GET", path: "/phones/{udid}/versions/{id}/search", id: "search", summary: "Names of a version that contain a text, in any case", tag: "versions", scope: scopeRead, covers: "Search"},
		func(ctx context.Context, who service.Who, in *struct {
			VersionPath
			PageQuery
			Text string `query:"q" required:"true" minLength:"1" maxLength:"500"`
		}) (*body[api.Listing], error) {
			l, err := svc.Search(ctx, who, in.UDID, in.ID, in.Text, in.After, in.Limit)
			return bodyOf(wireListing(l)), err
		})
	handle(a, operation{method: "GET", path: "/phones/{udid}/versions/{id}/download", id: "download", summary: "A file of a version, in parts if asked (Range), or a folder as a ZIP", tag: "versions", scope: scopeRead, covers: "Open"},
		func(context.Context, service.Who, *struct {
			VersionPath
			Path string `query:"path" maxLength:"4096"`
			Zip  string `query:"zip" enum:"1" doc:"1: the folder as a ZIP"`
			Show string `query:"show" enum:"1" doc:"1: a picture or film to be shown, not saved"`
		}) (*huma.StreamResponse, error) {
			return a.raw(a.rt.download), nil
		})
}
