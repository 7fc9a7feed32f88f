package cli

import (
	"fmt"
	"maps"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/keepsake-backup/keepsake/internal/progress"
)

const (
	groupDaily       = "daily"
	groupPhone       = "phone"
	groupRepository  = "repository"
	groupDevelopment = "development"
)

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "keepsake",
		Short: "Back up iPhones and iPads to hardware of your own, and restore them",
		Long: `Keepsake backs up iPhones and iPads to hardware of your own, and restores them.

  keepsake doctor                        is everything there?
  keepsake pair                          make the iPhone trust this computer
  keepsake backup /media/usb             back it up
  keepsake demo --once                   see all of it without an iPhone`,
		Version:           version(),
		Args:              cobra.ArbitraryArgs,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	root.SuggestionsMinimumDistance = 2
	root.AddGroup(
		&cobra.Group{ID: groupDaily, Title: "Every day:"},
		&cobra.Group{ID: groupPhone, Title: "Phone:"},
		&cobra.Group{ID: groupRepository, Title: "Repository:"},
		&cobra.Group{ID: groupDevelopment, Title: "Development and the rest:"})
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupDaily, newBackup(a), newRestore(a), newSnapshots(a), newCheck(a), newDoctor(a))
	add(groupDaily, newServe(a), newStatus(a), newMedia(a), newExtract(a), newSearch(a))
	add(groupDaily, newRehearse(a))
	add(groupDaily, newRecoveryKit(a))
	add(groupPhone, newDevices(a), newPair(a), newUnpair(a), newEncryption(a), newRemembered(a))
	add(groupRepository, newInit(a), newForget(a), newPrune(a), newCopy(a), newTargets(a), newStats(a),
		newKey(a), newUnlock(a), newRepair(a), newCat(a))
	add(groupRepository, newExport(a), newImport(a), newUnseal(a))
	add(groupRepository, newBackupDir(a), newRestoreFiles(a), newLs(a), newFind(a), newDiff(a), newDump(a), newMount(a))
	add(groupDevelopment, newDemo(a), newServeREST(a), newServeWebDAV(a), newVirtual(a))
	root.SetHelpCommandGroupID(groupDevelopment)
	root.SetCompletionCommandGroupID(groupDevelopment)

	flags := root.PersistentFlags()
	flags.SortFlags = false
	flags.StringVarP(&a.phone, "udid", "u", "", "which `PHONE`: its UDID, its name, or the beginning of either")
	flags.BoolVar(&a.json, "json", false, "one JSON object a line on standard output")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "no progress; results, requests and errors only")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "more detail")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageOf(cmd, err) })
	root.SetUsageTemplate(usageTemplate)
	root.SetHelpTemplate(helpTemplate)
	layOut(root)
	return root
}

const helpColumns = 79

// layOut breaks the texts of help into lines, so that they need not be broken
// by hand.
func layOut(cmd *cobra.Command) {
	if cmd.Annotations = maps.Clone(cmd.Annotations); cmd.Annotations == nil { // commands may share them
		cmd.Annotations = map[string]string{}
	}
	cmd.Long = reflow(cmd.Long)
	if codes := cmd.Annotations["exit"]; codes != "" {
		cmd.Annotations["exit"] = progress.Wrap("Exit codes: "+codes, helpColumns)
	}
	layOutFlags(cmd)
	for _, c := range cmd.Commands() {
		layOut(c)
	}
}

// layOutFlags lists the flags of cmd itself, and apart from them those that all
// commands on repositories share.
func layOutFlags(cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	own, shared := pflag.NewFlagSet("own", pflag.ContinueOnError), pflag.NewFlagSet("shared", pflag.ContinueOnError)
	own.SortFlags, shared.SortFlags = cmd.Flags().SortFlags, false
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if _, ok := f.Annotations[repositoryMark]; ok {
			shared.AddFlag(f)
		} else {
			own.AddFlag(f)
		}
	})
	cmd.Annotations["flags"] = own.FlagUsagesWrapped(helpColumns - 1)
	cmd.Annotations["repository flags"] = shared.FlagUsagesWrapped(helpColumns - 1)
}

// reflow lays out paragraphs anew. Those that begin with a space are left alone.
func reflow(text string) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		if !strings.HasPrefix(p, " ") {
			paragraphs[i] = progress.Wrap(strings.ReplaceAll(p, "\n", " "), helpColumns)
		}
	}
	return strings.Join(paragraphs, "\n\n")
}

// name is what people call a command: its path without the program's name.
func name(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return cmd.Name()
	}
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// group is a command that only has commands below it.
func group(use, short, long string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Long:  long,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return usageOf(cmd, fmt.Errorf("%s: say what to do", name(cmd)))
		},
	}
	c.AddCommand(children...)
	return c
}

func unknownCommand(cmd *cobra.Command, typed string) error {
	err := fmt.Errorf("there is no command \"%s %s\"", cmd.CommandPath(), typed)
	if near := cmd.SuggestionsFor(typed); len(near) > 0 {
		return &usageError{err, fmt.Sprintf("did you mean %s?", strings.Join(near, " or "))}
	}
	return usageOf(cmd, err)
}

// noArgs refuses arguments and says where a folder belongs, since that is what
// people put there.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("%s: unexpected %q", name(cmd), args[0])
	if cmd.Flags().Lookup("folder") != nil {
		return &usageError{err, fmt.Sprintf("folders are given like this: %s --folder %s", cmd.CommandPath(), args[0])}
	}
	return usageOf(cmd, err)
}

const helpTemplate = `{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}{{.UsageString}}`

const usageTemplate = `Usage:
{{- if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND [flags]
{{- else}}
  {{.UseLine}}
{{- end}}
{{- if .HasExample}}

Examples:
{{.Example}}
{{- end}}
{{- if .HasAvailableSubCommands}}
{{- $root := .}}
{{- range .Groups}}{{$group := .}}

{{.Title}}
{{- range $root.Commands}}{{if and (eq .GroupID $group.ID) (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding}}  {{.Short}}
{{- end}}{{end}}{{end}}
{{- if not .Groups}}

Commands:
{{- range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}}  {{.Short}}
{{- end}}{{end}}{{end}}
{{- end}}
{{- with index .Annotations "flags"}}

Flags:
{{. | trimTrailingWhitespaces}}
{{- else}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsagesWrapped 78 | trimTrailingWhitespaces}}
{{- end}}{{end}}
{{- with index .Annotations "repository flags"}}

Flags of every command on a repository:
{{. | trimTrailingWhitespaces}}
{{- end}}
{{- if .HasAvailableInheritedFlags}}

Flags of every command:
{{.InheritedFlags.FlagUsagesWrapped 78 | trimTrailingWhitespaces}}
{{- end}}
{{- with index .Annotations "exit"}}

{{.}}
{{- end}}
{{- if .HasAvailableSubCommands}}

More: {{.CommandPath}} COMMAND --help
{{- end}}
`

// exits fills in the line of a command's help that names its exit codes.
func exits(codes string) map[string]string { return map[string]string{"exit": codes} }
