package photos

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"time"
)

// An XMP sidecar (ISO 16684-1), as programs for photos read it:
//
//	<x:xmpmeta><rdf:RDF><rdf:Description …>
//	  dc:title, dc:description        title and caption
//	  dc:subject                      keywords
//	  Iptc4xmpExt:PersonInImage       people
//	  xmp:Rating                      5 for a favourite
//	  exif:GPSLatitude "52,31.2000N"  degrees, minutes, hemisphere
//	  exif:DateTimeOriginal, photoshop:DateCreated, xmp:CreateDate, xmp:ModifyDate
type xmpDoc struct {
	XMLName xml.Name `xml:"x:xmpmeta"`
	X       string   `xml:"xmlns:x,attr"`
	RDF     xmpRDF   `xml:"rdf:RDF"`
}

type xmpRDF struct {
	RDF         string         `xml:"xmlns:rdf,attr"`
	Description xmpDescription `xml:"rdf:Description"`
}

type xmpDescription struct {
	About     string    `xml:"rdf:about,attr"`
	DC        string    `xml:"xmlns:dc,attr"`
	XMP       string    `xml:"xmlns:xmp,attr"`
	EXIF      string    `xml:"xmlns:exif,attr"`
	Photoshop string    `xml:"xmlns:photoshop,attr"`
	IPTC      string    `xml:"xmlns:Iptc4xmpExt,attr"`
	Title     *xmpText  `xml:"dc:title"`
	Caption   *xmpText  `xml:"dc:description"`
	Subject   *xmpNames `xml:"dc:subject"`
	People    *xmpNames `xml:"Iptc4xmpExt:PersonInImage"`
	Rating    int       `xml:"xmp:Rating,omitempty"`
	Taken     string    `xml:"exif:DateTimeOriginal,omitempty"`
	Created   string    `xml:"photoshop:DateCreated,omitempty"`
	Create    string    `xml:"xmp:CreateDate,omitempty"`
	Modify    string    `xml:"xmp:ModifyDate,omitempty"`
	Latitude  string    `xml:"exif:GPSLatitude,omitempty"`
	Longitude string    `xml:"exif:GPSLongitude,omitempty"`
}

type xmpText struct {
	Item xmpItem `xml:"rdf:Alt>rdf:li"`
}

type xmpItem struct {
	Lang string `xml:"xml:lang,attr,omitempty"`
	Text string `xml:",chardata"`
}

type xmpNames struct {
	Items []string `xml:"rdf:Bag>rdf:li"`
}

// xmp makes the sidecar of a photo.
func (p *Photo) xmp() ([]byte, error) {
	d := xmpDescription{
		DC: "http://purl.org/dc/elements/1.1/", XMP: "http://ns.adobe.com/xap/1.0/", EXIF: "http://ns.adobe.com/exif/1.0/",
		Photoshop: "http://ns.adobe.com/photoshop/1.0/", IPTC: "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
		Title: alternative(p.Title), Caption: alternative(p.Caption), Subject: bag(p.Keywords), People: bag(p.People),
		Taken: xmpTime(p.Taken), Modify: xmpTime(p.Modified),
	}
	d.Created, d.Create = d.Taken, d.Taken
	if p.Favourite {
		d.Rating = 5
	}
	if p.Place != nil {
		d.Latitude, d.Longitude = xmpDegrees(p.Place.Latitude, "N", "S"), xmpDegrees(p.Place.Longitude, "E", "W")
	}
	doc := xmpDoc{X: "adobe:ns:meta/", RDF: xmpRDF{RDF: "http://www.w3.org/1999/02/22-rdf-syntax-ns#", Description: d}}
	var out bytes.Buffer
	out.WriteString("<?xpacket begin=\"\ufeff\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n")
	enc := xml.NewEncoder(&out)
	enc.Indent("", " ")
	if err := enc.Encode(doc); err != nil {
		return nil, err
	}
	out.WriteString("\n<?xpacket end=\"w\"?>\n")
	return out.Bytes(), nil
}

func alternative(s string) *xmpText {
	if s == "" {
		return nil
	}
	return &xmpText{xmpItem{"x-default", s}}
}

func bag(names []string) *xmpNames {
	if len(names) == 0 {
		return nil
	}
	return &xmpNames{names}
}

func xmpTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Truncate(time.Second).Format(time.RFC3339)
}

// xmpDegrees is XMP's form of a coordinate, exact to about 20 centimetres.
func xmpDegrees(v float64, positive, negative string) string {
	side := positive
	if v < 0 {
		side = negative
	}
	const parts = 60 * 10000
	n := int64(math.Round(math.Abs(v) * parts))
	return fmt.Sprintf("%d,%d.%04d%s", n/parts, n%parts/10000, n%10000, side)
}
