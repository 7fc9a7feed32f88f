package localca

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
)

// Where the handler answers.
const (
	CertificatePath = "/ca.crt"
	TrustPath       = "/trust"
)

//go:embed trust.html
var trustHTML string

//go:embed trust.css
var trustCSS string

var trustPage = template.Must(template.New("trust").Parse(trustHTML))

// Handler gives the certificate to whoever asks, and a page that says how to trust it:
// both have to be seen by devices that do not trust it yet, and nothing in them is
// secret.
func (ca *CA) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+CertificatePath, func(w http.ResponseWriter, _ *http.Request) {
		// The type by which iPhones offer it as a profile, and Android as a CA.
		w.Header().Set("Content-Type", "application/x-x509-ca-cert")
		w.Header().Set("Content-Disposition", `attachment; filename="keepsake-ca.crt"`)
		send(w, ca.cert.Raw)
	})
	mux.HandleFunc("GET "+TrustPath, func(w http.ResponseWriter, _ *http.Request) {
		style := sha256.Sum256([]byte(trustCSS))
		w.Header().Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
			base64.StdEncoding.EncodeToString(style[:])))
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		data := struct {
			Title, Fingerprint, Certificate string
			Style                           template.CSS
		}{ca.Title(), ca.Fingerprint(), CertificatePath, template.CSS(trustCSS)}
		if err := trustPage.Execute(w, data); err != nil {
			return // the browser has gone: the template itself is tested
		}
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "same-origin")
		w.Header().Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	})
}

// send answers with b. Who has gone meanwhile does not want it.
func send(w http.ResponseWriter, b []byte) { _, _ = w.Write(b) }
