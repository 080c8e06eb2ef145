// Lets guests in: user names that begin with "guest-" share one password, whose hash is in the plugin's settings.
// All other names are left to the next hook.
// Hook point: external-auth. Build: ./build.sh in a project of `tidegate plugin new`.
package main

import (
	"errors"
	"strings"

	"tidegate/hook"
	"tidegate/hook/externalauth"
)

func init() { externalauth.Handle(authenticate) }

func authenticate(attempt hook.LoginAttempt) (externalauth.Verdict, error) {
	username := attempt.Username()
	if !strings.HasPrefix(username, "guest-") {
		return externalauth.Defer(), nil
	}
	hash, directory := hook.Config("password_hash"), hook.Config("directory")
	if hash == "" || directory == "" {
		// An error is no verdict: the server refuses and logs the message.
		return externalauth.Verdict{}, errors.New("config.password_hash and config.directory are needed")
	}
	if attempt.Method() != hook.Password {
		return externalauth.Reject("not the guests' password"), nil
	}
	if matches, err := attempt.PasswordMatches(hash); err != nil {
		return externalauth.Verdict{}, err
	} else if !matches {
		return externalauth.Reject("not the guests' password"), nil
	}
	guest := hook.NewAccountDraft(username)
	if err := guest.SetHomeDirectory(directory); err != nil {
		return externalauth.Verdict{}, err
	}
	if err := guest.SetPermissions("/", []string{"list", "download"}); err != nil {
		return externalauth.Verdict{}, err
	}
	return externalauth.Accept(guest), nil
}
