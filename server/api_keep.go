package server

import (
	"context"
	"net/http"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/server/api"
	"github.com/keepsake-backup/keepsake/service"
)

type (
	onIn struct {
		PhonePath
		Body api.On
	}
	targetIn struct {
		Name string `path:"name" maxLength:"100"`
	}
)

func (a *apiRoutes) keepOperations() {
	a.phoneSettings()
	a.versionSettings()
	a.placeOperations()
	a.settingsOperations()
}

func (a *apiRoutes) phoneSettings() {
	svc := a.rt.o.Service
	put := func(what, id, summary, covers string) operation {
		return operation{method: "PUT", path: "/phones/{udid}/" + what, id: id, summary: summary, tag: "phones", scope: scopeAdmin, covers: covers, status: http.StatusNoContent}
	}
	handle(a, put("policy", "set-policy", "When it is backed up", "SetPolicy"),
		func(ctx context.Context, who service.Who, in *struct {
			PhonePath
			Body api.Policy
		}) (*none, error) {
			p, err := policyOf(in.Body)
			if err != nil {
				return nil, err
			}
			return &none{}, svc.SetPolicy(ctx, who, in.UDID, p)
		})
	retention := put("retention", "set-retention", "How many versions are kept; the others are removed", "SetRetention")
	retention.fresh = true
	handle(a, retention,
		func(ctx context.Context, who service.Who, in *struct {
			PhonePath
			Body api.Retention
		}) (*none, error) {
			return &none{}, svc.SetRetention(ctx, who, in.UDID, service.Retention(in.Body))
		})
	owner := put("owner", "set-owner", "Whose it is", "SetOwner")
	owner.fresh = true
	handle(a, owner,
		func(ctx context.Context, who service.Who, in *struct {
			PhonePath
			Body api.Owner
		}) (*none, error) {
			return &none{}, svc.SetOwner(ctx, who, in.UDID, in.Body.Account)
		})
	grant := put("grant", "set-grant", "Let admins look inside its backups", "SetGrant")
	grant.fresh = true
	handle(a, grant, func(ctx context.Context, who service.Who, in *onIn) (*none, error) {
		return &none{}, svc.SetGrant(ctx, who, in.UDID, in.Body.On)
	})
	handle(a, put("wifi", "set-wifi", "Reach it over Wi-Fi too", "SetWiFi"), func(ctx context.Context, who service.Who, in *onIn) (*none, error) {
		return &none{}, svc.SetWiFi(ctx, who, in.UDID, in.Body.On)
	})
	handle(a, put("address", "set-address", "Where to look for it besides", "SetAddress"),
		func(ctx context.Context, who service.Who, in *struct {
			PhonePath
			Body api.Address
		}) (*none, error) {
			return &none{}, svc.SetAddress(ctx, who, in.UDID, in.Body.Address)
		})
	remember := put("password", "remember-password", "Remember its backup password", "RememberPassword")
	remember.fresh = true
	handle(a, remember,
		func(ctx context.Context, who service.Who, in *struct {
			PhonePath
			Body api.Password
		}) (*none, error) {
			return &none{}, svc.RememberPassword(ctx, who, in.UDID, secret.NewBackupPassword(in.Body.Password))
		})
}

func (a *apiRoutes) versionSettings() {
	svc := a.rt.o.Service
	handle(a, operation{method: "PUT", path: "/phones/{udid}/versions/{id}/pin", id: "pin", summary: "Keep a version whatever the retention says", tag: "versions", scope: scopeAdmin, covers: "Pin", status: http.StatusNoContent},
		func(ctx context.Context, who service.Who, in *struct {
			VersionPath
			Body api.On
		}) (*none, error) {
			return &none{}, svc.Pin(ctx, who, in.UDID, in.ID, in.Body.On)
		})
	handle(a, operation{method: "DELETE", path: "/phones/{udid}/versions/{id}", id: "forget", summary: "Remove a version for good", tag: "versions", scope: scopeAdmin, fresh: true, covers: "Forget"},
		func(ctx context.Context, who service.Who, in *VersionPath) (*body[api.Started], error) {
			return started(svc.Forget(ctx, who, in.UDID, in.ID))
		})
}

func (a *apiRoutes) placeOperations() {
	svc := a.rt.o.Service
	handle(a, operation{method: "POST", path: "/setup", id: "set-up", summary: "Make or open the place of the backups", tag: "service", scope: scopeAdmin, fresh: true, covers: "SetUp"},
		func(ctx context.Context, who service.Who, in *struct{ Body api.SetUp }) (*body[api.Made], error) {
			made, err := svc.SetUp(ctx, who, in.Body.Place, secret.NewRepositoryPassword(in.Body.Password))
			return bodyOf(api.Made{Made: made}), err
		})
	handle(a, operation{method: "POST", path: "/recovery-sheet", id: "recovery-sheet", summary: "An HTML page with all that opens the backups without this computer", tag: "service", scope: scopeAdmin, fresh: true, covers: "RecoverySheet"},
		func(ctx context.Context, who service.Who, in *struct{ Body api.Sheet }) (*sheetOut, error) {
			page, err := svc.RecoverySheet(ctx, who, in.Body.WithPassword)
			if err != nil {
				return nil, err
			}
			return &sheetOut{Type: "text/html; charset=utf-8", Policy: filePolicy, Disposition: disposition("attachment", "Keepsake recovery sheet.html"), NoCompression: "1", Body: page}, nil
		})
	handle(a, operation{method: "POST", path: "/targets", id: "add-target", summary: "Add a place for copies", tag: "targets", scope: scopeAdmin, fresh: true, covers: "AddTarget"},
		func(ctx context.Context, who service.Who, in *struct{ Body api.NewTarget }) (*body[api.Started], error) {
			return started(svc.AddTarget(ctx, who, in.Body.Name, in.Body.Location, in.Body.Credentials, secret.NewRepositoryPassword(in.Body.Password)))
		})
	handle(a, operation{method: "DELETE", path: "/targets/{name}", id: "remove-target", summary: "Forget a place for copies; what is there stays there", tag: "targets", scope: scopeAdmin, fresh: true, covers: "RemoveTarget", status: http.StatusNoContent},
		func(ctx context.Context, who service.Who, in *targetIn) (*none, error) {
			return &none{}, svc.RemoveTarget(ctx, who, in.Name)
		})
}

// sheetOut is the recovery sheet as a file to be saved.
type sheetOut struct {
	Type          string `header:"Content-Type"`
	Policy        string `header:"Content-Security-Policy"`
	Disposition   string `header:"Content-Disposition"`
	NoCompression string `header:"No-Gzip-Compression" hidden:"true"`
	Body          []byte `contentType:"text/html"`
}

func (a *apiRoutes) settingsOperations() {
	svc := a.rt.o.Service
	handle(a, operation{method: "GET", path: "/settings", id: "settings", summary: "Settings of the service", tag: "service", scope: scopeRead, covers: "Settings"},
		func(ctx context.Context, who service.Who, _ *none) (*body[api.Settings], error) {
			s, err := svc.Settings(ctx, who)
			return bodyOf(wireSettings(s)), err
		})
	handle(a, operation{method: "PUT", path: "/settings", id: "set-settings", summary: "Change them; secrets that read as they are shown stay as they are", tag: "service", scope: scopeAdmin, fresh: true, covers: "SetSettings", status: http.StatusNoContent},
		func(ctx context.Context, who service.Who, in *struct{ Body api.Settings }) (*none, error) {
			s := settingsOf(in.Body)
			now, err := svc.Settings(ctx, who)
			if err != nil {
				return nil, err
			}
			s.AfterBackup = now.AfterBackup // a command is not for the web to set
			return &none{}, svc.SetSettings(ctx, who, s)
		})
	handle(a, operation{method: "POST", path: "/settings/test-notification", id: "test-notification", summary: "Send a message to every place in the settings", tag: "service", scope: scopeAdmin, covers: "TestNotification", status: http.StatusNoContent},
		func(ctx context.Context, who service.Who, _ *none) (*none, error) {
			return &none{}, svc.TestNotification(ctx, who)
		})
}
