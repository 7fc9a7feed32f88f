// Keepsake backs up iPhones and iPads, and restores them. Everything is in
// internal/cli.
package main

import (
	"os"
	_ "time/tzdata" // backups have hours, also where the system has no list of zones

	"github.com/keepsake-backup/keepsake/internal/cli"
)

func main() { os.Exit(cli.Main()) }
