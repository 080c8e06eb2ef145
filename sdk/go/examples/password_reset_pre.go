// Nobody resets the password of an administrator over the web.
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
