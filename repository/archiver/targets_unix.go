//go:build !windows

package archiver

// split gives the root of the tree and the way from there to an absolute path.
func split(path string) (start string, steps []step) { return "/", below("/", components(path[1:])) }
