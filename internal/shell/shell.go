// Package shell runs a line that somebody has written down, such as the command after
// a backup or the one that prints a password, as that person's shell would.
//
// What differs from line to line goes into the environment, never into the line: so
// nothing that a phone is called can become part of a command.
package shell
