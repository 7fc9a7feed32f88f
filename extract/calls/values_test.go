package calls_test

import (
	"fmt"
	"io/fs"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/calls"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

// What follows asks sqlite3 for what testdata/calls.sql does not, with queries written
// from content-schemas.md 4 and its appendix, and nothing else.

type value = extracttest.Value[*calls.Call]

func number(column string, give func(*calls.Call) int64) value {
	return value{Name: column, Needs: "ZCALLRECORD." + column, SQL: "nullif(c." + column + ", 0)", Give: func(c *calls.Call) string {
		if n := give(c); n != 0 {
			return fmt.Sprint(n)
		}
		return ""
	}}
}

func words(column string, give func(*calls.Call) string) value {
	return value{Name: column, Needs: "ZCALLRECORD." + column, SQL: "c." + column, Give: give}
}

func bytes(column string, give func(*calls.Call) string) value {
	return value{Name: column, Needs: "ZCALLRECORD." + column, SQL: "lower(hex(c." + column + "))", Give: give}
}

var values = []value{
	number("ZCALLTYPE", func(c *calls.Call) int64 { return c.Type }),
	number("ZCALL_CATEGORY", func(c *calls.Call) int64 { return c.Category }),
	number("ZDISCONNECTED_CAUSE", func(c *calls.Call) int64 { return c.Cause }),
	number("ZHANDLE_TYPE", func(c *calls.Call) int64 { return c.HandleType }),
	number("ZVERIFICATIONSTATUS", func(c *calls.Call) int64 { return c.Verification }),
	number("ZJUNKCONFIDENCE", func(c *calls.Call) int64 { return c.Junk }),
	number("ZFILTERED_OUT_REASON", func(c *calls.Call) int64 { return c.Filtered }),
	number("ZNUMBER_AVAILABILITY", func(c *calls.Call) int64 { return c.Availability }),
	number("ZSCREENSHARINGTYPE", func(c *calls.Call) int64 { return c.ScreenShare }),
	number("ZAUTOANSWEREDREASON", func(c *calls.Call) int64 { return c.AutoAnswered }),
	number("ZFACE_TIME_DATA", func(c *calls.Call) int64 { return c.Bytes }),
	words("ZISO_COUNTRY_CODE", func(c *calls.Call) string { return c.Country }),
	words("ZBLOCKEDBYEXTENSION", func(c *calls.Call) string { return c.BlockedBy }),
	words("ZIDENTITYEXTENSION", func(c *calls.Call) string { return c.IdentifiedBy }),
	words("ZJUNKIDENTIFICATIONCATEGORY", func(c *calls.Call) string { return c.JunkCategory }),
	bytes("ZCONVERSATIONID", func(c *calls.Call) string { return c.Conversation }),
	bytes("ZPARTICIPANTGROUPUUID", func(c *calls.Call) string { return c.Group }),
	bytes("ZREMINDERUUID", func(c *calls.Call) string { return c.Reminder }),
	{Name: "initiator", Needs: "ZCALLRECORD.ZINITIATOR", SQL: "(SELECT h.ZVALUE FROM ZHANDLE h WHERE h.Z_PK = c.ZINITIATOR)", Give: func(c *calls.Call) string { return c.Initiator }},
	{Name: "message", Needs: "ZCALLRECORD.ZHASMESSAGE", SQL: "CASE c.ZHASMESSAGE WHEN 1 THEN 'yes' ELSE '' END", Give: func(c *calls.Call) string { return extract.YesNo(c.HasMessage) }},
	{Name: "unseen", SQL: "CASE WHEN ifnull(c.ZORIGINATED, 0) = 0 AND ifnull(c.ZANSWERED, 0) = 0 AND c.ZBLOCKEDBYEXTENSION IS NULL AND c.ZREAD = 0 THEN 'yes' ELSE '' END",
		Give: func(c *calls.Call) string { return extract.YesNo(c.Unseen) }},
}

// checkValues holds the calls that have an identifier against the first list.
func checkValues(t *testing.T, fsys fs.FS, all *extracttest.Collector) {
	t.Helper()
	by := map[string]*calls.Call{}
	ids := map[string]bool{}
	for _, row := range extracttest.SQL(t, fsys, store, "SELECT ZUNIQUE_ID FROM ZCALLRECORD WHERE ZUNIQUE_ID IS NOT NULL") {
		ids[row[0]] = true
	}
	for _, r := range all.Records {
		if c := r.(*calls.Call); ids[c.Key] {
			by[c.Key] = c
		}
	}
	extracttest.Values(t, fsys, store, "c.ZUNIQUE_ID", "FROM ZCALLRECORD c WHERE c.ZUNIQUE_ID IS NOT NULL", by, values)
}
