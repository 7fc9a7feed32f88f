package restore

import (
	"strings"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// Beginnings of the domains of apps.
const (
	appDomain    = "AppDomain-"
	pluginDomain = "AppDomainPlugin-"
	groupDomain  = "AppDomainGroup-"
)

// appNames knows which app an identifier belongs to. Plug-ins are named after
// their app (Apple's rule: its bundle ID, a dot, more). Groups mostly are, by
// custom: "group.<bundle ID>" or "group.<bundle ID>.shared".
type appNames struct{ known map[string]bool }

func newAppNames(info itunesbackup.InfoPlist, list itunesbackup.ManifestPlist, domains map[string]int64) *appNames {
	n := &appNames{known: map[string]bool{}}
	for _, id := range info.InstalledApplications {
		n.known[id] = true
	}
	for id := range info.Applications {
		n.known[id] = true
	}
	for id, v := range list.Applications {
		entry, _ := v.(map[string]any)
		// Plug-ins and groups are in this list, too.
		if class, _ := entry["ContainerContentClass"].(string); class == "Data/Application" {
			n.known[id] = true
		}
	}
	for domain := range domains {
		if id, ok := strings.CutPrefix(domain, appDomain); ok {
			n.known[id] = true
		}
	}
	return n
}

// owner gives the app that a domain belongs to by its name, "" for none.
func (n *appNames) owner(domain string) string {
	for _, prefix := range []string{appDomain, pluginDomain, groupDomain} {
		if id, ok := strings.CutPrefix(domain, prefix); ok {
			return n.ownerOf(id)
		}
	}
	return ""
}

// ownerOf gives the app whose bundle ID is the longest beginning of id, with or
// without "group." or a team's ten letters in front.
func (n *appNames) ownerOf(id string) string {
	for _, name := range []string{id, strings.TrimPrefix(id, "group."), withoutTeam(id)} {
		for {
			if n.known[name] {
				return name
			}
			i := strings.LastIndexByte(name, '.')
			if i < 0 {
				break
			}
			name = name[:i]
		}
	}
	return ""
}

func withoutTeam(id string) string {
	if len(id) > 11 && id[10] == '.' {
		return strings.TrimPrefix(id[11:], "group.")
	}
	return id
}
