// Package thumbnail makes small pictures of pictures and films that lie in an fs.FS.
package thumbnail
