// Package api is what Keepsake's API says over HTTP: the values of its JSON and the
// names of its paths. It knows neither the service nor a router, so that a program
// which speaks to a service links none of it; package client speaks it, package
// server answers, and GET /api/v1/openapi.json describes it (OpenAPI 3.1).
//
//	POST /api/v1/phones/00008110-…/backup
//	Authorization: Bearer ksk_…                  a token; or the cookie of a session
//	Content-Type: application/json
//
//	{"full":false}
//
//	200 {"job":42}                               the work goes on by itself
//	GET /api/v1/jobs/42/events                   a line of JSON (Job) for each change, until it has ended
//
// Times are RFC 3339 in UTC, missing ones are left out; sizes are bytes; a version
// is named by 64 hexadecimal digits. Lists that can be long come in pages: what is
// in "next" is passed as "after". What fails is told as RFC 9457 says
// (application/problem+json), with a hint for people: Problem.
//
// A token has scopes. "read" looks and downloads, "backup" starts what adds to the
// backups, "admin" does what its account may do. What wants a fresh sign-in on the
// page (restoring, accounts, the recovery sheet) wants scope "admin" of a token.
package api
