// Package virtualphone is an iPhone that exists only as a process: a usbmuxd
// with phones behind it that unmodified clients take for real ones, through
//
//	USBMUXD_SOCKET_ADDRESS=127.0.0.1:PORT
//
// It follows protocol.md, tolerates what section 7 of that file lists, and
// shares with this program's own host side the types of messages but no client
// and no state machine.
//
//	client ── usbmuxd ──┬── port 62078: lockdownd ── pairing, values, sessions (TLS)
//	          (muxer)   │                   │ StartService
//	                    └── service ports ◄─┘ one connection each
//	                          com.apple.mobilebackup2                 backupagent
//	                          com.apple.afc                           afcd
//	                          notification_proxy, installation_proxy, services
//	                          springboardservices, diagnostics_relay,
//	                          heartbeat, assertion_agent
//
// [Start] makes the phones, or loads them from a folder: identity, pairings,
// settings and every file survive the process (package internal/state). With
// Wi-Fi switched on a phone also listens on the network, where hosts cannot pair
// and must answer heartbeats. [Control] works a phone from outside, running or
// not.
//
// # Who the phone is with
//
// It has an owner, who has a passcode or not and answers dialogs as
// [Config.Passcode] and [Config.Trust] say; set-up is done or not; the screen is
// unlocked, locked, locked for so long that a cable makes no link
// ("restricted"), or not yet unlocked since the last restart. [Phone.Set] changes
// all that; [Phone.Reboot], [Phone.Unplug], [Phone.Plug], [Phone.Erase] and
// [Phone.Use] are what happens to phones. [Phone.Await] waits for a condition,
// so that no test sleeps.
//
// # Faults
//
// Faults are data: ACTION@POINT[:AT][*TIMES][=ARG], see [ParseFaults]. The AT-th
// time that the point is reached, and TIMES times from then on, ACTION happens.
//
//	point                    reached by
//	mux.MESSAGE              a request to the muxer, such as mux.Connect, mux.ListDevices, mux.ReadPairRecord
//	lockdown.REQUEST         a request to lockdownd, such as lockdown.Pair, lockdown.StartSession, lockdown.GetValue
//	service.NAME             a connection to a service, such as service.com.apple.afc, after TLS
//	afc.OPERATION            a request to AFC: readdir info open read write seek tell close setsize truncate
//	                         remove removeall rename mkdir link lock setmtime deviceinfo connectioninfo
//	notification.COMMAND     PostNotification, ObserveNotification, Shutdown
//	installation.COMMAND     Browse, Lookup
//	springboard.COMMAND      getIconPNGData, getIconState
//	diagnostics.REQUEST      MobileGestalt, Restart, Goodbye
//	heartbeat.Marco          before each Marco; "stall" there is a phone that went to sleep
//	assertion.COMMAND        CommandCreateAssertion
//
// The actions that all of them know (package internal/mischief):
//
//	cut                      the connection breaks
//	stall                    not a byte more; the connection stays open
//	refuse[=NAME]            the request is refused: by an error string of lockdownd such as
//	                         PasswordProtected, a status number of AFC, a result number of the muxer
//	garbage                  a well-framed message without meaning comes before the answer
//	huge                     a header that announces 4 GiB, then silence
//	delay=2s                 the answer takes so long
//
// The backup service has points and actions of its own, for bytes and files:
// package internal/backupagent lists them.
package virtualphone
