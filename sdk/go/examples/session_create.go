// Denies sessions to partners' accounts while "maintenance" is set in the settings.
// Hook point: session-create. Build: ./build.sh in a project of `tidegate plugin new`.
package main

import (
	"slices"

	"tidegate/hook"
	"tidegate/hook/sessioncreate"
)

func init() { sessioncreate.Handle(reviewSession) }

func reviewSession(session hook.Session) (sessioncreate.Verdict, error) {
	if hook.Config("maintenance") == "true" && slices.Contains(session.Account().Groups(), "partners") {
		return sessioncreate.Deny("maintenance"), nil
	}
	return sessioncreate.Allow(), nil
}
