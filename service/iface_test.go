package service_test

import (
	"github.com/keepsake-backup/keepsake/server"
	"github.com/keepsake-backup/keepsake/service"
)

var (
	_ server.Service = (*service.Service)(nil)
	_ server.Counter = (*service.Service)(nil)
)
