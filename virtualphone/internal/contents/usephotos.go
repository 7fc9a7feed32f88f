package contents

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// photos takes a few pictures, edits one that is there and deletes another.
// A phone without a photo library takes none.
func (d *day) photos() {
	if !d.exists(roll, photosDB) {
		return
	}
	c := d.chance("photos")
	last := d.lastNumber()
	d.changeLive(roll, photosDB, func(db *database) {
		pk := db.number("SELECT MAX(Z_PK) FROM " + d.model.assets)
		for i := range c.between(2, 5) {
			last++
			pk++
			db.addAsset(d.model, d.takePicture(c, int(pk), last, i))
		}
		d.editPicture(db)
		d.deletePicture(db)
		db.countPhotos(d.model)
	})
}

// lastNumber is the greatest number of a picture in the folders of the camera,
// by its name.
func (d *day) lastNumber() int {
	folders, err := os.ReadDir(d.host(roll, "Media/DCIM"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.fail("list", roll, "Media/DCIM", err)
	}
	last := 0
	for _, f := range folders {
		for _, name := range d.list(roll, "Media/DCIM/"+f.Name(), "") {
			var n int
			if _, err := fmt.Sscanf(name, "IMG_%04d.", &n); err == nil {
				last = max(last, n)
			}
		}
	}
	return last
}

// takePicture writes picture number n of this day.
func (d *day) takePicture(c *chance, pk, number, n int) *asset {
	// 23 hours leave room for the seconds after which an asset is stored.
	at := d.morning.Add(time.Duration(1+c.IntN(23*3600)) * time.Second)
	a := d.newAsset(d.chance("new", fmt.Sprint(n)), number, one(c, usualMix), at, d.plan.still)
	a.pk = pk
	d.writeAsset(a)
	return a
}

// recent finds the newest picture of the camera from before this day that is
// not deleted and of which the condition holds. So the old ones, among them one of
// every kind, stay as they are for long.
func (d *day) recent(db *database, condition string) int64 {
	return db.number("SELECT Z_PK FROM "+d.model.assets+" WHERE ZKIND = 0 AND ZTRASHEDSTATE = 0 AND ZAVALANCHEUUID IS NULL AND ZDIRECTORY LIKE 'DCIM/%' AND ZDATECREATED < ? AND "+
		condition+" ORDER BY ZDATECREATED DESC, Z_PK LIMIT 1", cocoa(d.morning))
}

// editPicture edits a picture that has no edit yet.
func (d *day) editPicture(db *database) {
	pk := d.recent(db, "COALESCE("+d.model.adjustment+", 0) = 0")
	if pk == 0 || db.err != nil {
		return
	}
	a := d.storedAsset(db, pk)
	a.edited, a.size, a.modified = true, d.plan.still, d.moment("edit")
	d.writeEdit(a)
	db.exec(fmt.Sprintf("UPDATE %s SET %s = ?, ZMODIFICATIONDATE = ? WHERE Z_PK = ?", d.model.assets, d.model.adjustment), 2, cocoa(a.modified), pk)
}

// deletePicture removes for good what was longest in Recently Deleted, and puts
// another one there.
func (d *day) deletePicture(db *database) {
	m := d.model
	if gone := db.number("SELECT Z_PK FROM " + m.assets + " WHERE ZTRASHEDSTATE = 1 ORDER BY ZTRASHEDDATE, Z_PK LIMIT 1"); gone != 0 && db.err == nil {
		a := d.storedAsset(db, gone)
		for _, rel := range []string{"Media/" + a.folder + "/" + a.name, "Media/" + a.folder + "/" + a.live(), "Media/" + a.folder + "/" + a.base() + ".AAE",
			"Media/PhotoData/Mutations/" + a.folder + "/" + a.base(), strings.TrimSuffix(previewPath(a), "/5005.JPG")} {
			d.remove(roll, rel)
		}
		db.exec("DELETE FROM "+m.assets+" WHERE Z_PK = ?", gone)
		db.exec("DELETE FROM ZADDITIONALASSETATTRIBUTES WHERE ZASSET = ?", gone)
		if m.since(12) {
			db.exec("DELETE FROM ZINTERNALRESOURCE WHERE ZASSET = ?", gone)
		}
		if m.since(13) {
			db.exec("DELETE FROM ZEXTENDEDATTRIBUTES WHERE ZASSET = ?", gone)
		}
		db.exec(fmt.Sprintf("DELETE FROM %s WHERE Z_%dASSETS = ?", m.albumAssets(), m.asset), gone)
	}
	db.exec("UPDATE "+m.assets+" SET ZTRASHEDSTATE = 1, ZTRASHEDDATE = ? WHERE Z_PK = ?", cocoa(d.now), d.recent(db, "ZFAVORITE = 0"))
}

// storedAsset reads what is needed to find an asset's files.
func (d *day) storedAsset(db *database, pk int64) *asset {
	read := func(column string) string {
		return db.text("SELECT "+column+" FROM "+d.model.assets+" WHERE Z_PK = ?", pk)
	}
	return &asset{pk: int(pk), uuid: read("ZUUID"), folder: read("ZDIRECTORY"), name: read("ZFILENAME"), place: -1, camera: cameras[0], iso: 100,
		taken: time.Unix(db.number("SELECT CAST(ZDATECREATED AS INTEGER) FROM "+d.model.assets+" WHERE Z_PK = ?", pk)+cocoaEpoch, 0).UTC()}
}
