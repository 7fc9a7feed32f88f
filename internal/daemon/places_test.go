package daemon

import "testing"

// What an admin types on the page names places, and starts no programs.
func TestParse_rclone(t *testing.T) {
	for where, good := range map[string]bool{
		"rclone:nas:backups":                    true,
		"rclone:My Drive.1:":                    true,
		"rclone::local:/etc":                    false,
		"rclone::sftp,ssh='touch /tmp/x':path":  false,
		"rclone:nas,ssh='touch /tmp/x':backups": false,
		"rclone:nas{x}:backups":                 false,
	} {
		if _, err := parse(where); (err == nil) != good {
			t.Errorf("%s: %v", where, err)
		}
	}
}
