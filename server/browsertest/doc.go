// Package browsertest opens the pages in Chromium, as people do.
//
// Its tests look at every page at the width of a phone and of a computer, in light
// and in dark, and hold that nothing is written to the console, no other host is
// asked for anything, the Content-Security-Policy is not broken, the page is small,
// nothing is wider than the screen, and axe finds no serious fault. Then they use
// the pages: with the keyboard only, without the script, and through whole flows
// from the set-up to a restore.
//
// KEEPSAKE_SCREENSHOTS names a folder in which pictures of all of it stay.
//
// They need chromium, and axe from npm: "make deps" installs both.
package browsertest
