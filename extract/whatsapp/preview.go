package whatsapp

import (
	"database/sql"
	"errors"
	"strings"

	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// preview adds what the app knows of an address in a message.
func (b *book) preview(pk int64, m *chat.Message) {
	var content, matched, title, summary sqlitefs.Text
	err := b.db.QueryRowContext(b.dir.ctx, "SELECT "+b.db.List("ZWAMESSAGEDATAITEM", "d", "ZCONTENT1", "ZMATCHEDTEXT", "ZTITLE", "ZSUMMARY")+
		" FROM ZWAMESSAGEDATAITEM d WHERE d.ZMESSAGE = ? ORDER BY d.Z_PK LIMIT 1", pk).Scan(&content, &matched, &title, &summary)
	if errors.Is(err, sql.ErrNoRows) {
		return
	}
	if err != nil {
		b.dir.problem = errors.Join(b.dir.problem, b.db.Err(b.dir.ctx, err))
		return
	}
	for _, link := range []string{content.String, matched.String} {
		if strings.HasPrefix(link, "http://") || strings.HasPrefix(link, "https://") {
			m.Link = link
			break
		}
	}
	m.LinkTitle, m.LinkText = title.String, summary.String
}
