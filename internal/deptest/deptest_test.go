// Package deptest holds who may import whom. The layers are those of
// docs/architecture.md; each rule prints its reason when it is broken.
package deptest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/keepsake-backup/keepsake"

type goPackage struct {
	ImportPath, Name, Doc string
	Imports               []string
	Deps                  []string
}

// rule forbids packages below the folders in from to import anything below
// those in to. An entry of to that is not a folder of ours is a package of
// the standard library or of another module.
type rule struct {
	from, to []string
	deep     bool     // through other packages too
	but      []string // these may: they are for tests
	why      string
}

var (
	formats   = []string{"keybag", "itunesbackup"}
	protocols = []string{"usbmux", "lockdown", "devicelink", "mobilebackup2", "afc", "notificationproxy",
		"installationproxy", "springboard", "diagnostics", "heartbeat", "powerassertion"}
	phoneSide = []string{"device", "mobilebackup2", "afc", "notificationproxy", "installationproxy", "lockdown", "usbmux"}
	delivery  = []string{"internal/cli", "server", "cmd"}
	// What runs by itself, from the bottom: decisions and storage, people and phones,
	// then the service, then its page and API.
	running = []string{"schedule", "catalog", "auth", "notify", "discovery", "service", "client"}
)

var rules = []rule{
	{from: formats, to: []string{"net"}, why: "formats turn bytes into values: no sockets, so that every tool can use them"},
	{from: formats, to: append([]string{"device", "backup", "restore", "repository", "virtualphone"}, append(protocols, delivery...)...), deep: true,
		why: "formats are the bottom layer"},
	{from: protocols, to: append([]string{"device", "backup", "restore", "repository", "virtualphone", "snapshot"}, delivery...), deep: true,
		why: "protocols know neither what they are used for nor where data is kept"},
	{from: []string{"usbmux", "lockdown", "devicelink", "afc", "notificationproxy", "installationproxy", "springboard", "diagnostics", "heartbeat", "powerassertion"},
		to: []string{"os/exec", "log", "flag"}, why: "protocol packages take values and connections; the environment is read in internal/cli"},
	{from: []string{"repository"}, to: append([]string{"itunesbackup", "keybag", "snapshot", "virtualphone"}, phoneSide...), deep: true,
		why: "the repository has no Apple word in it: a photographer's backup tool could use it"},
	{from: append(slices.Clone(phoneSide), "itunesbackup", "keybag"), to: []string{"repository"}, deep: true,
		why: "only backup and restore see both a phone and a repository"},
	{from: []string{"extract", "search"}, to: append([]string{"repository", "server", "backup", "restore", "virtualphone"}, phoneSide...), deep: true, but: []string{"extract/extracttest"},
		why: "extractors read an fs.FS and give records"},
	{from: []string{"extract"}, to: []string{"search"}, deep: true, but: []string{"extract/extracttest"},
		why: "readers do not know what is made of their records"},
	{from: []string{"search"}, to: []string{"extract/kinds", "itunesbackup", "snapshot", "keybag", "catalog", "service", "internal/cli", "net", "os/exec", "database/sql"},
		why: "the index knows records and a folder; which kinds there are and where versions come from its callers tell"},
	{from: []string{"internal/sqlitefs", "extract/outtree"}, to: []string{"extract", "itunesbackup", "snapshot", "repository"}, deep: true,
		why: "they know files, and not whose"},
	{from: []string{"virtualphone"}, to: []string{"device", "backup", "restore", "mobilebackup2/dirstore", "repository", "server", "internal/cli"}, deep: true,
		why: "the virtual phone obeys the protocol, not our client: it shares message types with it and nothing else"},
	{from: []string{"media", "device", "backup", "restore", "snapshot", "usbmux", "lockdown", "devicelink", "mobilebackup2", "afc", "itunesbackup", "keybag", "repository"},
		to: []string{"virtualphone"}, deep: true, why: "the product must not lean on its own test double"},
	{from: []string{"snapshot"}, to: []string{"device", "backup", "restore", "rehearse", "media", "targets", "lockdown", "afc", "notificationproxy",
		"installationproxy", "springboard", "diagnostics", "heartbeat", "powerassertion"}, deep: true,
		why: "versions are looked at, exported and imported without a phone"},
	{from: []string{"restore"}, to: []string{"backup", "rehearse", "media", "targets"}, deep: true, why: "what brings a phone back needs nothing that made the backup"},
	{from: []string{"media"}, to: []string{"backup", "restore", "mobilebackup2", "rehearse", "targets"}, deep: true, why: "media come over AFC, beside the backup protocol"},
	{from: []string{"targets"}, to: append([]string{"snapshot", "itunesbackup", "keybag", "backup", "restore", "media", "rehearse"}, phoneSide...), deep: true,
		why: "copies are of repositories, whatever is in them"},
	{from: []string{"rehearse/receipt", "targets"}, to: []string{"virtualphone"}, deep: true,
		why: "everything may read what a rehearsal has shown; only rehearse itself has a virtual phone"},
	{from: []string{"media", "device", "backup", "restore", "snapshot", "repository", "itunesbackup", "keybag", "virtualphone"}, to: delivery,
		why: "delivery sits on top"},
	{from: append([]string{"media", "device", "backup", "restore", "snapshot", "repository", "targets", "rehearse", "itunesbackup", "keybag", "virtualphone"}, protocols...), to: running, deep: true,
		why: "every job also runs without a service"},
	{from: []string{"schedule"}, to: []string{"net", "os", "database/sql", "context", "math/rand", "math/rand/v2"},
		why: "decisions are pure: the same facts give the same answer, and years of them are simulated in seconds"},
	{from: []string{"schedule", "notify", "internal/mdns", "internal/sdnotify", "internal/autostart"},
		to: append([]string{"catalog", "auth", "service", "client", "discovery", "repository", "snapshot", "backup", "restore", "virtualphone", "internal/place"}, append(phoneSide, delivery...)...), deep: true,
		why: "they know neither phones nor backups, and are tested without"},
	{from: []string{"catalog"}, to: append([]string{"auth", "service", "client", "discovery", "notify", "repository", "backup", "restore", "virtualphone", "internal/place"}, append(phoneSide, delivery...)...), deep: true,
		why: "storage keeps what it is told and asks nobody"},
	{from: []string{"auth", "service", "server", "client", "notify", "schedule", "discovery", "internal/place", "internal/cli"}, to: []string{"database/sql", "modernc.org/sqlite"},
		why: "accounts, jobs and history are kept behind package catalog alone, so that another database can follow"},
	{from: []string{"auth"}, to: append([]string{"service", "client", "discovery", "notify", "repository", "backup", "restore", "virtualphone", "internal/place"}, append(phoneSide, delivery...)...), deep: true,
		why: "who may come in does not depend on what is inside"},
	{from: []string{"discovery"}, to: append([]string{"catalog", "auth", "service", "client", "notify", "schedule", "repository", "backup", "restore", "virtualphone", "internal/place"}, delivery...), deep: true,
		why: "which phones are here does not depend on who wants to know"},
	{from: []string{"service"}, to: append([]string{"auth", "client", "net/http", "internal/place", "virtualphone"}, delivery...),
		why: "the service knows neither HTTP nor flags: a soak test runs a month of it in one process"},
	{from: []string{"server"}, to: append([]string{"discovery", "notify", "repository", "snapshot", "backup", "restore", "media", "rehearse", "targets", "virtualphone", "internal/place", "internal/cli", "client"}, phoneSide...),
		why: "the page and the API ask the service, which knows who may see what"},
	{from: []string{"client"}, to: []string{"service", "catalog", "auth", "discovery", "schedule", "repository", "device", "server/ui", "internal/cli", "database/sql"}, deep: true,
		why: "whoever scripts a running service links its wire types and no more"},
	{from: []string{"internal/daemon"}, to: []string{"internal/cli", "cmd", "client", "virtualphone", "os/exec", "flag"},
		why: "the daemon puts packages together; flags and the environment are read in internal/cli"},
	{from: []string{"internal/place"}, to: append([]string{"catalog", "auth", "service", "client", "discovery", "notify", "schedule", "snapshot", "backup", "restore", "virtualphone"}, delivery...), deep: true,
		why: "what a location holds is the same for a command and for the service"},
}

func TestImports(t *testing.T) {
	pkgs := load(t)
	for _, p := range pkgs {
		for _, r := range rules {
			if !below(p.ImportPath, r.from) || below(p.ImportPath, r.but) {
				continue
			}
			imports := p.Imports
			if r.deep {
				imports = p.Deps
			}
			for _, imp := range imports {
				if below(imp, r.to) && !below(imp, []string{ours(p.ImportPath)}) {
					t.Errorf("%s imports %s\n\twhy not: %s", ours(p.ImportPath), ours(imp), r.why)
				}
			}
		}
	}
}

// Export and import know folders that a phone's host is writing, and the importer
// what a UDID looks like; the snapshot itself knows no protocol at all.
func TestSnapshotKnowsNoProtocol(t *testing.T) {
	for _, p := range load(t) {
		if ours(p.ImportPath) != "snapshot" {
			continue
		}
		for _, imp := range p.Deps {
			if below(imp, protocols) {
				t.Errorf("snapshot imports %s", ours(imp))
			}
		}
	}
}

func TestPackagesAreDocumented(t *testing.T) {
	for _, p := range load(t) {
		if len(p.Doc) < 40 && p.Name != "deptest" {
			t.Errorf("%s has no package comment that teaches it (%q)", ours(p.ImportPath), p.Doc)
		}
	}
}

func TestTestingIsNotShipped(t *testing.T) {
	for _, p := range load(t) {
		if slices.Contains(p.Imports, "testing") && !strings.HasSuffix(p.ImportPath, "test") {
			t.Errorf("%s imports testing\n\twhy not: shipped binaries never link it; helpers of tests live in packages named …test", ours(p.ImportPath))
		}
	}
}

// below tells whether importPath is one of folders of this module or inside
// one, or one of the foreign packages named in folders.
func below(importPath string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool {
		ourFolder := module + "/" + f
		return importPath == f || importPath == ourFolder || strings.HasPrefix(importPath, ourFolder+"/")
	})
}

func ours(importPath string) string { return strings.TrimPrefix(importPath, module+"/") }

func load(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Name,Doc,Imports,Deps", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var pkgs []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("decode go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) < 10 {
		t.Fatalf("go list gave %d packages: the rules would hold of nothing", len(pkgs))
	}
	return pkgs
}
