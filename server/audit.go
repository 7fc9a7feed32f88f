package server

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/extract/kinds"
)

// audited are routes whose use is noted before it happens. What is done to accounts
// auth notes itself.
var audited = map[string]string{
	"POST /phones/{udid}/restore/{source}/{version}":                 "asked for a restore",
	"POST /api/v1/restores":                                          "asked for a restore",
	"GET /phones/{udid}/versions/{id}/download":                      "downloaded",
	"GET /api/v1/phones/{udid}/versions/{id}/download":               "downloaded",
	"GET /phones/{udid}/versions/{id}/content/{kind}/extract":        "downloaded",
	"GET /api/v1/phones/{udid}/versions/{id}/content/{kind}/extract": "downloaded",
	"GET /phones/{udid}/search":                                      "searched in what was written",
	"GET /api/v1/phones/{udid}/search":                               "searched in what was written",
	"GET /phones/{udid}/changes":                                     "looked at what has changed",
	"GET /api/v1/phones/{udid}/versions/{id}/changes":                "looked at what has changed",
	"POST /phones/{udid}/versions/{id}/forget":                       "removed a version",
	"DELETE /api/v1/phones/{udid}/versions/{id}":                     "removed a version",
	"POST /phones/{udid}/policy":                                     "changed when it is backed up",
	"PUT /api/v1/phones/{udid}/policy":                               "changed when it is backed up",
	"POST /phones/{udid}/retention":                                  "changed how many versions are kept",
	"PUT /api/v1/phones/{udid}/retention":                            "changed how many versions are kept",
	"POST /phones/{udid}/encryption":                                 "changed encryption",
	"POST /api/v1/phones/{udid}/encryption":                          "changed encryption",
	"POST /phones/{udid}/owner":                                      "changed whose it is",
	"PUT /api/v1/phones/{udid}/owner":                                "changed whose it is",
	"POST /phones/{udid}/grant":                                      "changed whether admins may look inside",
	"PUT /api/v1/phones/{udid}/grant":                                "changed whether admins may look inside",
	"POST /targets/add":                                              "added a target",
	"POST /api/v1/targets":                                           "added a target",
	"POST /targets/{name}/remove":                                    "removed a target",
	"DELETE /api/v1/targets/{name}":                                  "removed a target",
	"POST /settings":                                                 "changed settings",
	"PUT /api/v1/settings":                                           "changed settings",
	"GET /settings/sheet":                                            "looked at the recovery sheet",
	"POST /api/v1/recovery-sheet":                                    "looked at the recovery sheet",
}

// looks are routes that show what is inside a phone, by what they show; "" is the kind
// of content in the path. They are noted when it is somebody else's phone.
var looks = map[string]string{
	"GET /phones/{udid}/versions/{id}/content/{kind}":                "",
	"GET /phones/{udid}/versions/{id}/content/{kind}/preview":        "",
	"GET /api/v1/phones/{udid}/versions/{id}/content/{kind}":         "",
	"GET /api/v1/phones/{udid}/versions/{id}/content/{kind}/groups":  "",
	"GET /api/v1/phones/{udid}/versions/{id}/content/{kind}/preview": "",
	"GET /phones/{udid}/versions/{id}":                               "files",
	"GET /phones/{udid}/versions/{id}/search":                        "files",
	"GET /api/v1/phones/{udid}/versions/{id}/files":                  "files",
	"GET /api/v1/phones/{udid}/versions/{id}/search":                 "files",
}

const (
	// notedFor is how long the parts of one download, and searches on one phone, are
	// one entry.
	notedFor = 10 * time.Minute
	// lookedFor is how long all that one session sees of one kind on one phone is one
	// entry.
	lookedFor = 12 * time.Hour
)

// notes are what was noted lately, until when it is not noted once more.
type notes struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

func (n *notes) has(key string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	until, ok := n.seen[key]
	return ok && !now.After(until)
}

// anew tells whether key is not there, and keeps it for so long.
func (n *notes) anew(key string, now time.Time, long time.Duration) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.DeleteFunc(n.seen, func(_ string, until time.Time) bool { return now.After(until) })
	if _, ok := n.seen[key]; ok {
		return false
	}
	if len(n.seen) < 10_000 {
		n.seen[key] = now.Add(long)
	}
	return true
}

// note keeps what is about to be done, and fails if it cannot: what cannot be
// accounted for does not happen. Names of files, and what was looked for, are not kept.
func (rt *router) note(pattern string, r *http.Request) error {
	what, ok := audited[pattern]
	noter, can := rt.o.Auth.(Noter)
	if shown, is := looks[pattern]; is && can {
		return rt.noteLook(noter, shown, r)
	}
	if !ok || !can {
		return nil
	}
	if strings.HasSuffix(pattern, "/search") && r.URL.Query().Get("q") == "" {
		return nil // the empty form
	}
	v := visitorFrom(r.Context())
	if r.Method == http.MethodGet && !rt.noted.anew(fmt.Sprint(v.Account, " ", r.URL.Path, " ", r.URL.Query().Get("path")), rt.o.Now(), notedFor) {
		return nil
	}
	if err := noter.Note(r.Context(), AuditEntry{Account: v.Account, Address: v.Remote, What: what, UDID: r.PathValue("udid"), Detail: r.PathValue("id")}); err != nil {
		return fmt.Errorf("note in the audit log: %w", err)
	}
	return nil
}

// noteLook notes that somebody looks into a phone that is not theirs: once for all that
// a session sees of a kind. Who may not look is refused later, and owners look into
// their own as they like.
func (rt *router) noteLook(noter Noter, shown string, r *http.Request) error {
	if shown == "" {
		x, err := kinds.Named(r.PathValue("kind"))
		if err != nil {
			return nil // there is nothing to see
		}
		shown = strings.ToLower(x.Info().Title)
	}
	v, udid, now := visitorFrom(r.Context()), r.PathValue("udid"), rt.o.Now()
	key := fmt.Sprint("look ", v.Account, " ", v.Session, " ", udid, " ", shown)
	if rt.noted.has(key, now) {
		return nil
	}
	ph, err := rt.o.Service.Phone(r.Context(), v.Who, udid)
	switch {
	case err != nil || !ph.MayOpen:
		return nil
	case ph.Owner == v.Account:
		rt.noted.anew(key, now, notedFor) // it may be somebody else's then
		return nil
	case !rt.noted.anew(key, now, lookedFor):
		return nil
	}
	if err := noter.Note(r.Context(), AuditEntry{Account: v.Account, Address: v.Remote, What: "looked at " + shown, UDID: udid, Detail: r.PathValue("id")}); err != nil {
		return fmt.Errorf("note in the audit log: %w", err)
	}
	return nil
}
