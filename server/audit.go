package server

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
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

// notedFor is how long the parts of one download, and searches on one phone, are one
// entry.
const notedFor = 10 * time.Minute

// notes are the downloads of the last minutes.
type notes struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

// anew tells whether key was not seen in the last minutes.
func (n *notes) anew(key string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.DeleteFunc(n.seen, func(_ string, at time.Time) bool { return now.Sub(at) > notedFor })
	if _, ok := n.seen[key]; ok {
		return false
	}
	if len(n.seen) < 10_000 {
		n.seen[key] = now
	}
	return true
}

// note keeps what is about to be done, and fails if it cannot: what cannot be
// accounted for does not happen. Names of files, and what was looked for, are not kept.
func (rt *router) note(pattern string, r *http.Request) error {
	what, ok := audited[pattern]
	noter, can := rt.o.Auth.(Noter)
	if !ok || !can {
		return nil
	}
	if strings.HasSuffix(pattern, "/search") && r.URL.Query().Get("q") == "" {
		return nil // the empty form
	}
	v := visitorFrom(r.Context())
	if r.Method == http.MethodGet && !rt.noted.anew(fmt.Sprint(v.Account, " ", r.URL.Path, " ", r.URL.Query().Get("path")), rt.o.Now()) {
		return nil
	}
	if err := noter.Note(r.Context(), AuditEntry{Account: v.Account, Address: v.Remote, What: what, UDID: r.PathValue("udid"), Detail: r.PathValue("id")}); err != nil {
		return fmt.Errorf("note in the audit log: %w", err)
	}
	return nil
}
