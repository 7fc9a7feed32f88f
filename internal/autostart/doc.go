// Package autostart makes a program start when its user signs in, for people who
// have no server: "keepsake serve --install".
//
// Each system has its own way, none of them needs root, and each is one file and
// a few commands:
//
//	Linux    ~/.config/systemd/user/NAME.service            systemctl --user enable --now
//	macOS    ~/Library/LaunchAgents/LABEL.plist             launchctl bootstrap gui/UID
//	Windows  %USERPROFILE%\AppData\Local\NAME\autostart.xml schtasks /Create /XML
//
// [Plan] says what the file holds and which commands run, for every system on any
// system, which is how it is tested. [Install], [Uninstall] and [Status] do it. What
// is made for macOS and Windows is held to what those systems document, and has not
// been run there.
package autostart
