package storetest

import (
	"testing"

	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

func TestMemory(t *testing.T) {
	Run(t, func(*testing.T) mobilebackup2.Store { return &Memory{} })
}
