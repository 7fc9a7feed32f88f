package whatsapp_test

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/whatsapp"
)

func TestMissing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ChatStorage", "CallHistory"} {
		extracttest.Missing(t, whatsapp.New(), phone(t, "17.3"), domain+"/"+name+".sqlite", "ZWAMESSAGE", "ZWAMESSAGE.Z_PK", "ZWACDCALLEVENT", "ZWACDCALLEVENT.Z_PK")
	}
}
