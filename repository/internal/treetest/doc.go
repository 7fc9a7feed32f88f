// Package treetest makes folders that are hard to back up, and compares folders
// to the last bit that a backup keeps. Package tests of archiver, restorer and
// mount use it. It makes devices, attributes and bytes in names that Windows does
// not have, and is empty there.
package treetest
