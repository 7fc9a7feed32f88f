// Package packaging holds the files that let keepsake run as a service: systemd's
// units, a udev rule, a recipe for a container. They are data; what is Go here are
// the tests that hold them to their promises: no root, no rights beyond what the
// service needs, nothing that has drifted from what "keepsake serve --install"
// writes. docs/running.md says how to use them.
//
//	systemd/keepsake.service        the service of a computer that is always on
//	systemd/keepsake.service.d/     what an owner changes: places of backups, the key
//	systemd/keepsake.sysusers       its user
//	systemd/user/keepsake.service   the service of a person, without root
//	udev/60-keepsake.rules          access to phones for usbmuxd and for who sits in front
//	container/Containerfile         one program, no shell, no root
//	container/compose.yaml          with the muxer's socket and two folders
package packaging
