package archiver

import "golang.org/x/sys/unix"

// noXattr: there is no attribute of that name.
const noXattr = unix.ENOATTR
