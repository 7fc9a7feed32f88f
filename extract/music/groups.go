package music

import (
	"context"
	"fmt"
	"strconv"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// maxGroups is the most artists, albums or playlists that are listed.
const maxGroups = 200_000

// groups lists playlists, then artists and their albums.
func (l *library) groups(ctx context.Context) ([]extract.Group, error) {
	list, err := l.playlists(ctx)
	if err != nil {
		return nil, err
	}
	artists, err := l.artists(ctx)
	if err != nil {
		return nil, err
	}
	albums, err := l.albums(ctx, artists)
	return append(append(list, artists...), albums...), err
}

// query scans groups: key, title, parent, count, time of the newest.
func (l *library) query(ctx context.Context, prefix, parents, unnamed, query string) ([]extract.Group, error) {
	rows, err := l.db.QueryContext(ctx, fmt.Sprintf("%s LIMIT %d", query, maxGroups))
	if err != nil {
		return nil, l.db.Err(ctx, err)
	}
	defer rows.Close()
	var list []extract.Group
	for rows.Next() {
		var pid, parent, count sqlitefs.Int
		var name sqlitefs.Text
		var newest sqlitefs.Real
		if err := rows.Scan(&pid, &name, &parent, &count, &newest); err != nil {
			return nil, l.db.Err(ctx, err)
		}
		g := extract.Group{Key: prefix + strconv.FormatInt(pid.Int, 10), Title: line(name.String), Count: int(count.Int), Time: extract.CocoaTime(newest.Float)}
		if g.Title == "" {
			g.Title = unnamed
		}
		if parent.Int != 0 {
			g.Parent = parents + strconv.FormatInt(parent.Int, 10)
		}
		list = append(list, g)
	}
	return list, l.db.Err(ctx, rows.Err())
}

func (l *library) artists(ctx context.Context) ([]extract.Group, error) {
	if !l.db.Has("album_artist", "album_artist_pid") || !l.db.Has("item", "album_artist_pid") {
		return nil, nil
	}
	name := l.db.Column("album_artist", "a", "album_artist")
	return l.query(ctx, artistKey, "", "Unknown artist", fmt.Sprintf(`SELECT a.album_artist_pid, %s, NULL, count(*), max(CAST(%s AS REAL))
		FROM album_artist a JOIN item i ON i.album_artist_pid = a.album_artist_pid WHERE a.album_artist_pid <> 0
		GROUP BY a.album_artist_pid ORDER BY lower(%s), a.album_artist_pid`, name, l.column("i", "date_added"), name))
}

func (l *library) albums(ctx context.Context, artists []extract.Group) ([]extract.Group, error) {
	if !l.db.Has("album", "album_pid") || !l.db.Has("item", "album_pid") {
		return nil, nil
	}
	name := l.db.Column("album", "a", "album")
	list, err := l.query(ctx, albumKey, artistKey, "Unknown album", fmt.Sprintf(`SELECT a.album_pid, %s, %s, count(*), max(CAST(%s AS REAL))
		FROM album a JOIN item i ON i.album_pid = a.album_pid WHERE a.album_pid <> 0
		GROUP BY a.album_pid ORDER BY lower(%s), a.album_pid`, name, l.db.Column("album", "a", "album_artist_pid"), l.column("i", "date_added"), name))
	known := make(map[string]string, len(artists))
	for _, a := range artists {
		known[a.Key] = a.Title
	}
	for i := range list {
		g := &list[i]
		if g.Detail = known[g.Parent]; g.Detail == "" {
			g.Parent = ""
		}
	}
	return list, err
}

// playlists lists the owner's playlists and folders of playlists; those that the
// phone does not show are left out.
func (l *library) playlists(ctx context.Context) ([]extract.Group, error) {
	if !l.db.Has("container", "container_pid") || !l.db.Has("container_item", "container_pid", "item_pid") {
		return nil, nil
	}
	shown := ""
	if l.db.Has("container", "is_hidden") {
		shown = " WHERE coalesce(c.is_hidden, 0) = 0"
	}
	name := l.db.Column("container", "c", "name")
	list, err := l.query(ctx, playlistKey, playlistKey, "Playlist without a name", fmt.Sprintf(`SELECT c.container_pid, %s, %s, coalesce(n.items, 0), %s
		FROM container c LEFT JOIN (SELECT ci.container_pid, count(*) AS items FROM container_item ci JOIN item i ON i.item_pid = ci.item_pid GROUP BY 1) n
		ON n.container_pid = c.container_pid%s ORDER BY lower(%s), c.container_pid`,
		name, l.db.Column("container", "c", "parent_pid"), l.db.Column("container", "c", "date_modified", "date_created"), shown, name))
	parents := make(map[string]string, len(list))
	for _, g := range list {
		parents[g.Key] = g.Parent
	}
	for i := range list {
		if !rooted(list[i].Key, parents) {
			list[i].Parent = ""
		}
	}
	return list, err
}

// rooted tells whether the parents of a group are all there, and end.
func rooted(key string, parents map[string]string) bool {
	for range 32 {
		parent, known := parents[key]
		if !known || parent == "" {
			return known
		}
		key = parent
	}
	return false
}
