// Keepsake backs up iPhones and iPads, and restores them. Everything is in
// internal/cli.
package main

import (
	"os"

	"github.com/keepsake-backup/keepsake/internal/cli"
)

func main() { os.Exit(cli.Main()) }
