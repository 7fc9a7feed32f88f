// Package interop holds the tests in which unmodified third-party clients, the
// tools of Debian's libimobiledevice-utils, judge the virtual phone and the
// backups that our host makes. It has no code of its own: see its tests.
package interop
