// Denies requests for a new password of an administrator.
// Hook point: password-reset-pre. Build: ./build.sh in a project of `tidegate plugin new`.
package main

import (
	"strings"

	"tidegate/hook"
	"tidegate/hook/passwordresetpre"
)

func init() { passwordresetpre.Handle(reviewReset) }

func reviewReset(request hook.WebRequest) (passwordresetpre.Verdict, error) {
	if strings.HasPrefix(request.Username(), "admin") {
		return passwordresetpre.Deny("an administrator"), nil
	}
	return passwordresetpre.Allow(), nil
}
