// Package cli is the command line: it reads flags, files and the environment,
// asks people, starts the work of the packages below, and tells what came of
// it. Nothing below reads the environment or writes to the terminal.
//
// The program is a value with everything it touches injected, so that tests
// run it in their own process:
//
//	p := cli.Program{Args: []string{"devices", "--json"}, Stdout: &out, Stderr: &errs}
//	code := p.Run(ctx)
//
// Each command has a file of its own, cmd_<name>.go. What every command needs
// stands in an app: the global flags, output, passwords, phones. Errors become
// exit codes and words in one place, exit.go.
package cli
