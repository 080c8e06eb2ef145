// Keeps accounts of partners out while "maintenance" is set in the settings.
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
