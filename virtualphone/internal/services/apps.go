package services

import (
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/mischief"
)

// App is what hosts can learn of an installed app.
type App struct {
	BundleID, Name        string
	Version, ShortVersion string // CFBundleVersion, CFBundleShortVersionString
	Path, Container       string // on the phone
	SINF, Metadata        []byte // store apps only
	Icon                  []byte // PNG
	System                bool   // part of iOS
}

// Apps is com.apple.mobile.installation_proxy and com.apple.springboardservices.
type Apps struct {
	// List gives the installed apps.
	List   func() ([]App, error)
	Faults mischief.Hitter
}

// browseBatch is how many apps one message of a Browse holds.
const browseBatch = 20

// ServeInstallation answers Browse, in batches, and Lookup (protocol.md 4.10).
// Installing anything is refused.
func (a *Apps) ServeInstallation(ctx context.Context, conn net.Conn) error {
	return loop{prefix: "installation", nameKey: "Command", faults: a.Faults, answer: a.installation}.serve(ctx, conn)
}

func (a *Apps) installation(_ context.Context, command string, req map[string]any) (any, error) {
	options, _ := req["ClientOptions"].(map[string]any)
	switch command {
	case "Browse":
		apps, err := a.selected(options)
		if err != nil {
			return nil, err
		}
		return browse(apps, texts(options["ReturnAttributes"])), nil
	case "Lookup":
		apps, err := a.selected(options)
		if err != nil {
			return nil, err
		}
		result := map[string]any{}
		for _, app := range apps {
			result[app.BundleID] = attributes(app, texts(options["ReturnAttributes"]))
		}
		return map[string]any{"Status": "Complete", "LookupResult": result}, nil
	}
	return map[string]any{"Error": "UnknownCommand", "ErrorDescription": fmt.Sprintf("no command %q", command)}, nil
}

func browse(apps []App, attrs []string) answers {
	var out answers
	for i := 0; i < len(apps); i += browseBatch {
		batch := apps[i:min(i+browseBatch, len(apps))]
		list := make([]any, len(batch))
		for k, app := range batch {
			list[k] = attributes(app, attrs)
		}
		out = append(out, map[string]any{
			"Status": "BrowsingApplications", "CurrentList": list, "CurrentIndex": i, "CurrentAmount": len(batch), "Total": len(apps),
		})
	}
	return append(out, map[string]any{"Status": "Complete"})
}

// selected obeys ApplicationType (User, System, Any; absent is Any) and
// BundleIDs.
func (a *Apps) selected(options map[string]any) ([]App, error) {
	apps, err := a.List()
	if err != nil {
		return nil, fmt.Errorf("list apps: %w", err)
	}
	kind, _ := options["ApplicationType"].(string)
	_, some := options["BundleIDs"]
	ids := texts(options["BundleIDs"])
	return slices.DeleteFunc(slices.Clone(apps), func(app App) bool {
		return kind == "User" && app.System || kind == "System" && !app.System || some && !slices.Contains(ids, app.BundleID)
	}), nil
}

// attributes of one app; SINF and metadata only when asked for by name, as they
// are not part of the default set.
func attributes(app App, want []string) map[string]any {
	kind := "User"
	if app.System {
		kind = "System"
	}
	all := map[string]any{
		"ApplicationType": kind, "CFBundleIdentifier": app.BundleID, "CFBundleName": app.Name, "CFBundleDisplayName": app.Name,
		"CFBundleExecutable": app.Name, "CFBundleVersion": app.Version, "CFBundleShortVersionString": app.ShortVersion,
		"Path": app.Path, "Container": app.Container, "SignerIdentity": "Apple iPhone OS Application Signing",
	}
	extra := map[string][]byte{"ApplicationSINF": app.SINF, "iTunesMetadata": app.Metadata}
	if len(want) == 0 {
		return all
	}
	out := map[string]any{}
	for _, k := range want {
		if v, ok := all[k]; ok {
			out[k] = v
		}
		if b := extra[k]; len(b) > 0 {
			out[k] = b
		}
	}
	return out
}

// ServeSpringBoard answers getIconPNGData and getIconState (protocol.md 4.10).
func (a *Apps) ServeSpringBoard(ctx context.Context, conn net.Conn) error {
	return loop{prefix: "springboard", nameKey: "command", faults: a.Faults, answer: a.springBoard}.serve(ctx, conn)
}

func (a *Apps) springBoard(_ context.Context, command string, req map[string]any) (any, error) {
	apps, err := a.List()
	if err != nil {
		return nil, fmt.Errorf("list apps: %w", err)
	}
	switch command {
	case "getIconPNGData":
		id, _ := req["bundleId"].(string)
		i := slices.IndexFunc(apps, func(app App) bool { return app.BundleID == id })
		if i < 0 || len(apps[i].Icon) == 0 {
			return map[string]any{"Error": "NoIcon"}, nil
		}
		return map[string]any{"pngData": apps[i].Icon}, nil
	case "getIconState":
		page := []any{}
		for _, app := range apps {
			page = append(page, map[string]any{
				"bundleIdentifier": app.BundleID, "displayIdentifier": app.BundleID, "displayName": app.Name,
			})
		}
		return []any{[]any{}, page}, nil // the dock, then one page
	case "getInterfaceOrientation":
		return map[string]any{"interfaceOrientation": 1}, nil
	}
	return map[string]any{"Error": "UnknownCommand"}, nil
}
