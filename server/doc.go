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
// A session says who asks. What takes something away, shows a secret or changes who
// may do what wants more: a sign-in not longer ago than FreshFor, so that a browser
// left open is not enough to overwrite a phone. That is so for every form but those
// listed in stalePosts, and for the operations of the API that say fresh: restoring,
// removing versions and targets, backup passwords, owners and grants, accounts,
// tokens, passkeys, settings, the recovery sheet. Who is not fresh is sent to
// /signin, signs in, and comes back to the page that he was on. A token is never
// fresh; what wants it wants the scope "admin" of a token.
//
// A session's cookie is HttpOnly and SameSite=Lax, over TLS also Secure and bound
// to the host by its name. Lax, since links in notifications lead to pages; requests
// of other sites that change something are refused by what the browser says of them
// (guard.go), so forms carry no tokens.
//
// # Keys in addresses
//
// An iOS Shortcut may signal with POST /signal/{token}. That address is a key, so
// only a token whose one scope is "signal", for one phone, is good there: whoever
// reads it can make that phone be backed up when it is due, and nothing else. Logs
// name the route and never the address.
//
// # What errors look like
//
// A page returns its error. The router finds the status in it, its Hint() for
// people, and shows it as a page. What is our own fault gets a short ID that
// stands on the page and in the log, and its text stands in the log only.
package server
