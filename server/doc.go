// Package server is the web page and the API of a service: a handler for
// net/http over the interface Service.
//
//	GET  /…                 pages (page_*.go): HTML from templates, forms that POST
//	                        and redirect, so that they work without JavaScript
//	     /api/v1/…          the same as JSON (package server/api), tokens or session
//	GET  /events            what changes, as server-sent events
//	POST /signin /signout   sessions; /passkeys/… the ceremonies of WebAuthn as JSON
//	GET  /healthz           "ok", or in words what is wrong, to anyone
//	GET  /metrics           Prometheus, to admins and loopback
//
// # A request's way
//
// Every request passes, in this order: a net for panics and the log; the limits;
// the check of its Host (names that are not ours are another site's, after DNS
// rebinding); the security headers; the refusal of cross-site requests that
// change something; the session, which becomes a service.Who in the context; the
// gate of the first run; and only then the page. A route is closed unless it is
// declared open: forgetting something locks it.
//
// # Signed in, and freshly so
//
// A session says who asks. Restoring, showing a secret, and changing accounts
// want more: a sign-in not longer ago than FreshFor, so that a browser left open
// is not enough to overwrite a phone. Pages declare that with fresh; without it
// the visitor is sent to /signin and comes back to the page that he was on.
//
// # What errors look like
//
// A page returns its error. The router finds the status in it, its Hint() for
// people, and shows it as a page. What is our own fault gets a short ID that
// stands on the page and in the log, and its text stands in the log only.
package server
