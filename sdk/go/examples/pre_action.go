// Denies uploads of programs.
// Hook point: pre-action. Build: ./build.sh in a project of `tidegate plugin new`.
package main

import (
	"slices"
	"strings"

	"tidegate/hook"
	"tidegate/hook/preaction"
)

func init() { preaction.Handle(reviewAction) }

func reviewAction(action hook.FileAction) (preaction.Verdict, error) {
	path := strings.ToLower(action.VirtualPath())
	ends := func(end string) bool { return strings.HasSuffix(path, end) }
	if action.Kind() == "upload" && slices.ContainsFunc([]string{".exe", ".bat", ".com"}, ends) {
		return preaction.Deny("a program").Telling("programs are not taken here"), nil
	}
	return preaction.Allow(), nil
}
