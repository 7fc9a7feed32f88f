package fake_test

import (
	"github.com/keepsake-backup/keepsake/server"
	"github.com/keepsake-backup/keepsake/server/fake"
)

var _ server.Service = (*fake.Household)(nil)
